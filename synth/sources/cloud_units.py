"""In which unit the clouds of a source are: one a product, unless the recipe or their format says it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from synth.errors import SourceError
from synth.io.meshes import UNITS
from synth.io.points import sized
from synth.io.told import Told
from synth.io.units import FIELD, Sized, Unit, guess_unit, unit_of_family
from synth.sources.listing import Entry, Problem, as_problem

REAL3D = "gt"
"""The folder of labels of Real3D-AD, whose clouds are in millimetres (Anomaly-ShapeNet's is GT)."""
LOOKED_AT = 8
"""Files of a class that are measured in a tree: all show the same object."""


def with_units(
    root: Path, entries: Sequence[Entry], unit: Unit | Mapping[str, Unit], tree: bool
) -> tuple[tuple[Entry, ...], tuple[Problem, ...]]:
    """The entries with the unit to read each in, and the problems of products whose unit is not clear."""
    given = {entry.id: _given(root, entry.file, unit) for entry in entries}
    open_ones: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if given[entry.id] == "auto" and entry.file.suffix.lower() not in UNITS:
            open_ones[entry.product].append(entry)
    told: dict[str, Told] = {}
    problems = []
    for product, own in open_ones.items():
        try:
            units = _of_class(own) if tree else _of_family(product, own)
        except SourceError as problem:
            problems.append(as_problem(problem, *(entry.file for entry in own)))
            continue
        for entry in own:
            if entry.file in units:
                given[entry.id], told[entry.id] = units[entry.file]
    known = (_in_unit(entry, given[entry.id], told.get(entry.id)) for entry in entries)
    return tuple(known), tuple(problems)


def _in_unit(entry: Entry, unit: Unit, told: Told | None) -> Entry:
    assert entry.cloud is not None
    return replace(entry, cloud=replace(entry.cloud, unit=unit, told_unit=told))


def _given(root: Path, file: Path, unit: Unit | Mapping[str, Unit]) -> Unit:
    if isinstance(unit, str):
        return unit
    place = file.relative_to(root).as_posix()
    return next((own for pattern, own in unit.items() if fnmatch(place, pattern)), "auto")


def _sizes(entries: Sequence[Entry]) -> list[Sized]:
    """The sizes of the files that can be read; reading the others says why they cannot."""
    found = []
    for entry in entries:
        with suppress(SourceError):
            found.append(sized(entry.file))
    return found


def _of_family(product: str, entries: Sequence[Entry]) -> dict[Path, tuple[Unit, Told]]:
    sizes = _sizes(entries)
    units = unit_of_family(product, sizes)
    extents = {one.file: one.extent for one in sizes}
    if len(set(units.values())) > 1:
        return {file: (unit, _guessed(unit, extents[file])) for file, unit in units.items()}
    low, high = (f"{extent:.3g}" for extent in (min(extents.values(), default=0), max(extents.values(), default=0)))
    across = low if low == high else f"{low} to {high}"
    return {
        file: (unit, Told("unit", f"is read in {unit}, as the size of all files shows ({across} across)", FIELD))
        for file, unit in units.items()
    }


def _guessed(unit: Unit, extent: float) -> Told:
    text = f"is read in {unit}, guessed by its own size of {extent:.3g}, as files of all sizes and units are together"
    return Told("unit", text, FIELD, warning=True)


def _of_class(entries: Sequence[Entry]) -> dict[Path, tuple[Unit, Told]]:
    """The unit of a class of a tree: millimetres in Real3D-AD; elsewhere, where none is documented, by its size."""
    whole = [entry for entry in entries if entry.defect is None] or list(entries)
    sizes = _sizes(whole[:: -(-len(whole) // LOOKED_AT)])
    if not sizes:
        return {}
    extent = sorted(one.extent for one in sizes)[len(sizes) // 2]
    # By name in the listing of its folder: some file systems take gt and GT for one.
    home = next(folder for folder in entries[0].file.parents if (folder / "train").is_dir())
    unit: Unit
    if extent >= 1 and REAL3D in {folder.name for folder in home.iterdir()}:
        unit, why = "mm", "as Real3D-AD is"
    else:
        unit, why = guess_unit(extent), f"guessed by its size of {extent:.3g}, as such a tree documents none"
    told = Told("unit", f"is read in {unit}, {why}", FIELD)
    return {entry.file: (unit, told) for entry in entries}
