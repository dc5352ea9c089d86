"""Long and thin defects are drawn along their length, in overlapping windows, where one window for all of it would be
too coarse.

A window shrinks what is larger than the model's resolution. Where more than COARSE px of the image would fall on one px
of the window (with the bundled base, whose latent cell is 4 px wide, 8 px of the image on a cell), a defect that is
narrow enough is covered by windows of one px a px, or of as few as MOST of them allow. All windows of a defect lie on
one lattice, so that their latent cells coincide in the overlaps. A defect that fills a window in breadth as well keeps
its one window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synth.seas.window import Window

COARSE = 2.0
"""Image px a window px from which on a defect is drawn in several windows."""
MOST = 12
_PITCHES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
_LATTICE = 8
_CORE = 0.75
_NARROW = 1 / 6
_FINER = 1.5
_RAMP = 0.25


@dataclass(frozen=True, eq=False)
class Field:
    """The rectangle that holds all windows of one defect, in window px."""

    rows: int
    columns: int


@dataclass(frozen=True)
class Patch:
    """Where a window's upper left px lies in its field."""

    field: Field
    row: int
    column: int


def along(mask: np.ndarray, single: Window, resolution: int) -> list[Window]:
    """Windows of one size that cover the defect `mask` (H, W) bool, not empty, finer than the `single` one around it;
    none where that is fine enough, or the defect too broad."""
    coarse = single.side / resolution
    if coarse <= COARSE:
        return []
    broad = 2 * float(ndimage.distance_transform_edt(np.pad(_cropped(mask), 1)).max()) - 1
    points = np.argwhere(mask)
    for pitch in _PITCHES:
        side = round(pitch * resolution)
        if pitch * _FINER > coarse:
            break
        if broad > _NARROW * side:
            continue
        windows = _cover(points, side, round(_LATTICE * pitch), (mask.shape[0], mask.shape[1]))
        if 1 < len(windows) <= MOST:
            return windows
    return []


def patches(windows: Sequence[Window], resolution: int) -> list[Patch]:
    """Where each of these windows, of one lattice, lies in the field of all."""
    pitch = windows[0].side / resolution
    top, left = min(window.top for window in windows), min(window.left for window in windows)
    places = [(round((window.top - top) / pitch), round((window.left - left) / pitch)) for window in windows]
    field = Field(*(max(place[axis] for place in places) + resolution for axis in (0, 1)))
    return [Patch(field, row, column) for row, column in places]


def whole(windows: Sequence[Window], resolution: int) -> Window:
    """The square that begins where the field of these windows does and holds all of it."""
    field = patches(windows, resolution)[0].field
    side = round(max(field.rows, field.columns) * windows[0].side / resolution)
    return Window(min(window.top for window in windows), min(window.left for window in windows), side)


def blended(values: Sequence[np.ndarray], places: Sequence[Patch], under: np.ndarray) -> np.ndarray:
    """One image (n, n, ...) float32 from those of the windows (r, r, ...): their mean by weights that fall towards each
    window's border and sum to one wherever a window lies; `under` (n, n, ...) elsewhere."""
    weight = _weight(len(values[0]))
    total, share = np.zeros(under.shape, np.float32), np.zeros(under.shape[:2], np.float32)
    for value, place in zip(values, places, strict=True):
        area = (slice(place.row, place.row + len(value)), slice(place.column, place.column + len(value)))
        total[area] += (value.T * weight.T).T
        share[area] += weight
    seen = share > 0
    result = under.astype(np.float32)
    result[seen] = (total[seen].T / share[seen]).T
    return result


def _weight(side: int) -> np.ndarray:
    """1 in the middle of a window, falling smoothly over a quarter of its side to nearly 0 at the border."""
    reach = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5)
    ramp = np.clip(reach / (_RAMP * side), 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return np.outer(ramp, ramp).astype(np.float32)


def _cover(points: np.ndarray, side: int, lattice: int, shape: tuple[int, int]) -> list[Window]:
    """Windows whose inner three quarters cover all points (n, 2), from one end of their main axis to the other; more
    than MOST where that is not enough."""
    windows: list[Window] = []
    order = (points - points.mean(axis=0)) @ _main_axis(points)
    while len(points) and len(windows) <= MOST:
        box = _reachable(points, points[int(order.argmin())], _CORE * side)
        origin = (windows[0].top, windows[0].left) if windows else (None, None)
        axes = zip(*box.tolist(), shape, origin, strict=True)
        corner = np.array([_start(first, last, size, origin, side, lattice) for first, last, size, origin in axes])
        windows.append(Window(int(corner[0]), int(corner[1]), side))
        low, high = _inner(corner, side, np.array(shape))
        left_over = ((points < np.minimum(low, box[0])) | (points > np.maximum(high, box[1]))).any(axis=1)
        points, order = points[left_over], order[left_over]
    return windows


def _start(first: int, last: int, size: int, origin: int | None, side: int, lattice: int) -> int:
    """Where a window begins along an axis of `size`: with first..last in its middle, but inside the image, or around
    it; on the lattice through `origin`, for which it may leave the image by less than a step of the lattice."""
    wanted = (first + last - side) // 2
    start = min(max(wanted, min(0, size - side)), max(0, size - side))
    if origin is None:
        return start
    start = origin + lattice * round((start - origin) / lattice)
    room = side // 16
    short, late = start + side < min(size, last + 1 + room), start > max(0, first - room)
    return start + lattice * short - lattice * late


def _inner(corner: np.ndarray, side: int, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last row and column (2,) of a window's inner part, which at the image's border reaches to that."""
    margin = round((1 - _CORE) / 2 * side)
    low = np.where(corner <= 0, 0, corner + margin)
    return low, np.where(corner + side >= shape, shape, corner + side - 1 - margin)


def _reachable(points: np.ndarray, start: np.ndarray, extent: float) -> np.ndarray:
    """The box (2, 2), first and last row and column, that holds `start` and the points nearest to it, as many as keep
    it within `extent`."""
    nearest = points[np.argsort(np.abs(points - start).max(axis=1), kind="stable")]
    low, high = np.minimum.accumulate(nearest), np.maximum.accumulate(nearest)
    last = int(np.flatnonzero((high - low).max(axis=1) < extent)[-1])
    return np.stack([low[last], high[last]])


def _main_axis(points: np.ndarray) -> np.ndarray:
    """Unit vector (2,) of the largest spread."""
    centred = points - points.mean(axis=0)
    return np.asarray(np.linalg.eigh(centred.T @ centred)[1][:, -1])


def _cropped(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
