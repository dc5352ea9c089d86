"""Units of clouds: what a length in a file is in metres, and which one a product's files have where nothing says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Literal

from synth.errors import SourceError

Unit = Literal["auto", "m", "cm", "mm", "um", "inch"]
METRES: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "um": 1e-6, "inch": 0.0254}
FIELD = "source.unit"
SIZES = (1e-3, 20.0)
"""Metres across between which a part is one; outside, its unit was taken for another."""
LARGEST = 50.0
"""Metres across where the unit is known."""
MILLIMETRES, LARGEST_IN_METRES = 20.0, 0.5
"""Extents from which numbers are millimetres, and up to which they are metres."""
SCANNED_IN_METRES = 2.0
"""Extent up to which a scan is in metres: no scanner writes inches, and a scan of two millimetres is none of a part."""
GAP = 20.0
"""Factor between the extents of two files, with none between, that no family of parts has: they are in two units."""
COLLECTION = 1000.0
"""Largest over smallest extent from which files without such a gap are no family, but parts of all kinds and units."""


@dataclass(frozen=True, slots=True)
class Sized:
    """A file and its largest extent, in its own unit; mesh: it has faces, so that a program drew it."""

    file: Path
    extent: float
    mesh: bool


def guess_unit(extent: float) -> Unit:
    """The unit in which a hand-held part has a sensible size: mm from 20 on, metres up to 0.5, inches between."""
    return "mm" if extent >= MILLIMETRES else "m" if extent <= LARGEST_IN_METRES else "inch"


def unit_of_family(product: str, files: Sequence[Sized]) -> dict[Path, Unit]:
    """The unit of each file of a product, one for all of them by their median extent. SourceError, asking for
    source.unit, where the files disagree by a unit's factor or their size suits two units.

    Files of all sizes over more than COLLECTION are no family: each has the unit of its own size."""
    sized = sorted((one for one in files if one.extent > 0), key=lambda one: one.extent)
    if not sized:
        return {}
    for small, large in pairwise(sized):
        if large.extent > GAP * small.extent:
            raise SourceError(
                f"{small.file} is {small.extent:.3g} across and {large.file} {large.extent:.3g}, as if {product} were "
                f"in two units; set {FIELD}, for all files or by pattern as in {{'*.stl': mm, '*.ply': m}}"
            )
    if sized[-1].extent > COLLECTION * sized[0].extent:
        return {one.file: guess_unit(one.extent) for one in sized}
    middle = median(one.extent for one in sized)
    scans = not any(one.mesh for one in sized)
    # One file that is sure speaks for others of about its size.
    unit: Unit | None = None
    if middle >= MILLIMETRES or (sized[-1].extent >= MILLIMETRES and middle >= MILLIMETRES / 2):
        unit = "mm"
    elif middle <= (SCANNED_IN_METRES if scans else LARGEST_IN_METRES):
        unit = "m"
    elif sized[0].extent <= LARGEST_IN_METRES and middle <= 2 * LARGEST_IN_METRES:
        unit = "m"
    if unit is None:
        raise SourceError(
            f"{sized[0].file} and the other files of {product} are {middle:.3g} across in the median, which suits "
            f"{_choices(middle)}; set {FIELD} to the one that is meant"
        )
    return {one.file: unit for one in sized}


def check_size(file: Path, metres: float, unit: str, known: bool) -> None:
    """SourceError for a part that is `metres` across and cannot be: its unit is another one."""
    low, high = SIZES
    if metres and not low <= metres <= (LARGEST if known else high):
        raise SourceError(f"{file} would be {metres:.3g} m across in {unit}; set {FIELD} to the file's own unit")


def _choices(extent: float) -> str:
    sizes: Mapping[str, float] = {unit: extent * METRES[unit] for unit in ("mm", "cm", "inch", "m")}
    fits = [f"{unit} ({1e3 * size:.3g} mm)" for unit, size in sizes.items() if SIZES[0] <= size <= SIZES[1]]
    return f"{', '.join(fits[:-1])} and {fits[-1]}"
