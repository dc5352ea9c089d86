"""How the files import each other. The order of the rooms is in pyproject.toml, for `lint-imports`."""

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def circle_of(imports: dict[str, set[str]]) -> list[str]:
    """The files of one circle of imports, [] where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as found:
        return list(found.args[1])
    return []


def test_no_files_import_each_other_in_a_circle_not_even_within_functions():
    graph = grimp.build_graph("flawsmith", "synth", "eval", exclude_type_checking_imports=True, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert sum(map(len, imports.values())) > 500
    assert not circle_of(imports), "split what two of these files share into a file of its own"


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_a_circle_of_any_length_is_found(length):
    ring = {str(k): {str((k + 1) % length)} for k in range(length)}
    assert len(set(circle_of({"a": {"0", "b"}, "b": set(), **ring}))) == length
