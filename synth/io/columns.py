"""Columns of a cloud by name: which of them are points, normals, colours and labels, and how colours are scaled.

Only known names are taken: x y z, nx ny nz or normal_x .., red green blue or r g b or diffuse_red .., rgb or rgba
packed into one number as in PCD. A label counts where it is asked for alone: in a segmentation set it is a class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from synth.io.told import Told

FIELD = "source.columns"
POINTS = ("x", "y", "z")
NORMALS = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("normalx", "normaly", "normalz"))
COLORS = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
PACKED = ("rgb", "rgba")
LABEL = "label"
SKIPPED = ("-", "_")
"""Names in `source.columns` of a column that is not read."""
KNOWN = {*POINTS, *(name for names in NORMALS + COLORS for name in names), *PACKED, LABEL, *SKIPPED}
UNIT_LENGTH = 0.02
"""How far the length of a normal may be from 1."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A file's points as they are in it: points (N, 3) float64 in its unit, normals (N, 3) float64, colors (N, 3)
    uint8, labels (N,) bool. viewpoint (3,): where the sensor was, in its unit; unit: the one that its format
    prescribes; mesh: whether they were sampled on faces; told: what was inferred. ValueError for other shapes."""

    points: np.ndarray
    normals: np.ndarray | None = None
    colors: np.ndarray | None = None
    labels: np.ndarray | None = None
    viewpoint: np.ndarray | None = None
    unit: str | None = None
    mesh: bool = False
    told: tuple[Told, ...] = ()

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 3:
            raise ValueError(f"it holds points of shape {self.points.shape}, wanted x, y and z of each")

    def only(self, kept: np.ndarray) -> Raw:
        """Those points alone; kept (N,) bool or indices."""
        parts = {name: getattr(self, name) for name in ("points", "normals", "colors", "labels")}
        return replace(self, **{name: part[kept] for name, part in parts.items() if part is not None})

    def telling(self, *told: Told) -> Raw:
        """The same with more told of it."""
        return replace(self, told=(*self.told, *told))


def from_columns(columns: Mapping[str, np.ndarray], asked: Sequence[str] = ()) -> Raw:
    """The cloud of columns (N,) by name. `asked`: the names to read alone, none = all known ones but the label.
    ValueError where x, y or z is missing, or an asked one."""
    found = {name.strip().lower(): values for name, values in columns.items()}
    wanted = [name for name in asked if name not in SKIPPED]
    missing = [name for name in (*POINTS, *wanted) if name not in found]
    if missing:
        raise ValueError(f"wanted {', '.join(missing)}, found the columns {', '.join(columns)}")
    used = {name: found[name] for name in wanted or found if wanted or name != LABEL}
    told: list[Told] = []
    points = _together(used, [POINTS], np.float64)
    if points is None:
        raise ValueError(f"{FIELD} leaves out x, y or z")
    colors = _colors(used, told)
    labels = _labels(used[LABEL]) if LABEL in used else None
    told.extend(_left_out(found, used, wanted))
    return Raw(points, _together(used, NORMALS, np.float64), colors, labels, told=tuple(told))


def scaled_colors(values: np.ndarray) -> tuple[np.ndarray | None, str]:
    """Colours (N, 3) of any numbers as uint8, and what they were taken for; None where they can be no colours. Bytes
    and whole numbers up to 255 as they are, up to 65535 by 257, and what lies in 0 to 1 times 255."""
    if values.dtype == np.uint8:
        return values, "0..255"
    finite = np.nan_to_num(np.asarray(values, np.float64))
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low < 0 or high > 65535:
        return None, ""
    if high <= 1 and (values.dtype.kind == "f" or high == 1):
        return np.rint(finite * 255).astype(np.uint8), "0..1"
    if high <= 255:
        return finite.astype(np.uint8), "0..255"
    return np.rint(finite / 257).astype(np.uint8), "0..65535"


def unnamed(rows: np.ndarray) -> tuple[dict[str, np.ndarray], tuple[Told, ...]]:
    """Columns without names, (N, C) numbers, by what they must be: x y z; three of unit length are normals; the only
    three beside each other that are all 0..255 or all 0..1 are colours; what else there is has no name, and is told."""
    columns = dict(zip(POINTS, rows[:, :3].T, strict=True))
    left = list(range(3, rows.shape[1]))
    said = []
    for first in left:
        if _triple(left, first) and _unit_length(rows[:, first : first + 3]):
            columns |= dict(zip(NORMALS[0], rows[:, first : first + 3].T, strict=True))
            left = [k for k in left if not first <= k < first + 3]
            said.append(f"columns {first + 1} to {first + 3}, of length 1, as normals")
            break
    colours = [first for first in left if _triple(left, first) and _looks_coloured(rows[:, first : first + 3])]
    if len(colours) == 1:
        first = colours[0]
        columns |= dict(zip(COLORS[0], rows[:, first : first + 3].T, strict=True))
        left = [k for k in left if not first <= k < first + 3]
        said.append(f"columns {first + 1} to {first + 3} as colours")
    told = [Told("columns", f"is read with {' and '.join(said)}", FIELD)] if said else []
    if left:
        named = ", ".join(str(k + 1) for k in left)
        told.append(Told("columns", f"has columns without a name that are not read: {named}", FIELD, warning=True))
    return columns, tuple(told)


def _triple(left: Sequence[int], first: int) -> bool:
    return all(k in left for k in (first, first + 1, first + 2))


def _unit_length(values: np.ndarray) -> bool:
    length = np.linalg.norm(values[np.isfinite(values).all(1)], axis=1)
    return bool(length.size) and float((np.abs(length - 1) < UNIT_LENGTH).mean()) > 0.95


def _looks_coloured(values: np.ndarray) -> bool:
    whole = bool((values == np.rint(values)).all())
    low, high = float(values.min()), float(values.max())
    return low >= 0 and ((whole and 1 < high <= 255) or high <= 1)


def _together(
    columns: Mapping[str, np.ndarray], choices: Sequence[tuple[str, str, str]], dtype: type
) -> np.ndarray | None:
    """The first of the choices whose three names are all there, (N, 3)."""
    names = next((names for names in choices if all(name in columns for name in names)), None)
    return None if names is None else np.stack([columns[name] for name in names], 1).astype(dtype)


def _colors(columns: Mapping[str, np.ndarray], told: list[Told]) -> np.ndarray | None:
    for packed in PACKED:
        if packed in columns:
            return _unpacked(columns[packed])
    names = next((names for names in COLORS if all(name in columns for name in names)), None)
    if names is None:
        return None
    colors, how = scaled_colors(np.stack([columns[name] for name in names], 1))
    if colors is None:
        told.append(Told("colours", f"has {', '.join(names)} that are no colours, and not read", FIELD, warning=True))
    elif how != "0..255":
        told.append(Told("colours", f"has colours of {how}, read as 0..255", FIELD))
    return colors


def _unpacked(packed: np.ndarray) -> np.ndarray:
    """Colours (N, 3) out of the bits 0x00RRGGBB of one number each, of a float as well, as PCD has it; a float that is
    itself a whole number up to 0xFFFFFF is that number, as some text files have it."""
    if packed.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            bits = packed.astype("<f4").view("<u4")
            whole = (packed >= 1) & (packed < 2**24) & (packed == np.rint(packed))
            packed = np.where(whole, np.where(whole, packed, 0).astype("<u4"), bits)
    packed = packed.astype("<u4")
    return np.stack([(packed >> shift & 255).astype(np.uint8) for shift in (16, 8, 0)], 1)


def _labels(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise ValueError("a label is no number")
    return values > 0.5


def _left_out(found: Mapping[str, np.ndarray], used: Mapping[str, np.ndarray], asked: Sequence[str]) -> list[Told]:
    told = []
    if LABEL in found and LABEL not in used:
        text = "has a field label that is not read: it may be a class, and good parts have no labels"
        told.append(Told("labels", text, FIELD))
    ignored = [name for name in found if name not in KNOWN and not name.startswith("_")]
    if ignored and not asked:
        told.append(Told("columns", f"has fields that are not read: {', '.join(sorted(ignored))}", FIELD))
    return told
