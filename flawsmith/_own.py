"""Our packages `synth` and `eval`, told from a user's modules of these names that come first on the search path."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent


def check_own(name: str) -> None:
    """ImportError where `import name` gives something else than our package."""
    loaded = sys.modules.get(name)
    found = _file(name, None) if loaded is None else getattr(loaded, "__file__", None)
    if _is_foreign(name, found):
        raise ImportError(
            f"flawsmith's package {name!r} is hidden by {found}; rename that file or folder, start Python elsewhere, "
            "or use the command flawsmith, which it does not disturb"
        )


def put_own_first(*names: str) -> None:
    """Move the folders with foreign modules of these names to the end of the search path, behind ours. Processes that
    this one starts get the same path. For the command alone: a program of the user's may mean its own module."""
    foreign = [place for place in sys.path if any(_is_foreign(name, _file(name, place)) for name in names)]
    ours = [place for place in sys.path if place not in foreign]
    if foreign:
        sys.path[:] = [*ours, *([] if str(_HOME) in ours else [str(_HOME)]), *foreign]


def _file(name: str, place: str | None) -> str | None:
    """The file that `import name` reads, from one place of the search path or from any; None where there is none, or
    only a folder without __init__.py, which gives way to a package."""
    spec = PathFinder.find_spec(name, None if place is None else [place])
    return None if spec is None else spec.origin


def _is_foreign(name: str, file: str | None) -> bool:
    return file is not None and Path(file).resolve() != _HOME / name / "__init__.py"
