"""Square windows into images of any size: how a small generator works on large images and on tiny defects.

A window is cut out and resampled to the model's resolution; a defect of a few pixels so becomes many latent cells
wide, and a whole 4000-pixel image becomes small. Beyond the border the image continues mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from synth.errors import GeneratorError


@dataclass(frozen=True, slots=True)
class Window:
    """A square of `side` pixels whose upper left pixel is (top, left); it may stick out of the image."""

    top: int
    left: int
    side: int

    def overlap(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """The image rows and columns that lie in the window; shape (H, W, ...)."""
        rows = slice(max(0, self.top), min(shape[0], self.top + self.side))
        columns = slice(max(0, self.left), min(shape[1], self.left + self.side))
        return rows, columns


def cut(array: np.ndarray, window: Window, resolution: int) -> np.ndarray:
    """Take the window out of `array` (H, W) or (H, W, C) and resample it to (resolution, resolution[, C]).

    Images (uint8, float): area average when shrinking, bicubic when enlarging. Masks (bool): a cell is True when any
    pixel under it is, so a thin mark survives shrinking; nearest pixel when enlarging."""
    rows = _mirrored(window.top, window.side, array.shape[0])
    columns = _mirrored(window.left, window.side, array.shape[1])
    return resample(array[np.ix_(rows, columns)], resolution)


def lay_out(patch: np.ndarray, window: Window, shape: tuple[int, ...]) -> tuple[slice, slice, np.ndarray]:
    """Resample a patch (r, r[, C]) to the window's own size: the rows and columns of an image of `shape` (H, W, ...)
    that it covers, and its values there."""
    rows, columns = window.overlap(shape)
    full = resample(patch, window.side)
    top, left = rows.start - window.top, columns.start - window.left
    return rows, columns, full[top : top + rows.stop - rows.start, left : left + columns.stop - columns.start]


def resample(array: np.ndarray, side: int) -> np.ndarray:
    """Resize a square array (s, s) or (s, s, C) to (side, side[, C]); rules as in `cut`."""
    size = array.shape[0]
    if size == side:
        return array.copy()
    if array.dtype == np.bool_:
        return _pool_any(array, side) if side < size else array[np.ix_(*[_nearest(size, side)] * 2)]
    method = Image.Resampling.BOX if side < size else Image.Resampling.BICUBIC
    if array.dtype == np.uint8:
        return np.asarray(Image.fromarray(array).resize((side, side), method))
    planes = array.astype(np.float32).reshape(size, size, -1)
    resized = [np.asarray(Image.fromarray(planes[..., c]).resize((side, side), method)) for c in range(planes.shape[2])]
    return np.stack(resized, axis=-1).reshape(side, side, *array.shape[2:])


def window_for(
    mask: np.ndarray,
    resolution: int,
    rng: np.random.Generator,
    coverage: tuple[float, float] = (0.25, 0.6),
    thin_coverage: tuple[float, float] = (0.55, 0.9),
    enlarge: float = 4.0,
) -> Window:
    """A window around the marks of `mask` (H, W) bool, randomly zoomed and shifted.

    The larger extent of the mark takes a share of the side drawn from `coverage`, for one over eight times as long as
    wide from `thin_coverage`, unless the window would then be enlarged more than `enlarge` times or be larger than the
    image; a mark too large for that gets the smallest window
    that holds it with a twentieth of context on each side. Marks far apart relative to their size are windowed one at
    a time. GeneratorError when the mask is empty."""
    if not mask.any():
        raise GeneratorError("window_for: the mask has no True pixel; leave out samples with empty masks")
    top, left, bottom, right = _focus(mask, rng)
    extent = max(bottom - top, right - left)
    share = rng.uniform(*(thin_coverage if _is_thin(mask[top:bottom, left:right]) else coverage))
    shift = rng.uniform(size=2)
    side = max(extent / share, resolution / enlarge)
    side = round(min(side, max(min(mask.shape), 1.1 * extent + 2)))
    return Window(
        _offset(top, bottom, side, mask.shape[0], shift[0]),
        _offset(left, right, side, mask.shape[1], shift[1]),
        side,
    )


def widest_window(mask: np.ndarray) -> Window:
    """The largest square inside the image, moved to hold the middle of the defect; mask (H, W) bool, not empty."""
    side = min(mask.shape)
    top, left = (
        min(max(0, round((hit.min() + hit.max() + 1 - side) / 2)), size - side)
        for hit, size in zip(np.nonzero(mask), mask.shape, strict=True)
    )
    return Window(int(top), int(left), side)


def window_anywhere(shape: tuple[int, ...], side: int, rng: np.random.Generator) -> Window:
    """A window of `side` pixels somewhere in an image of `shape` (H, W, ...); centred along an axis that is shorter."""
    top, left = (round(rng.uniform() * (n - side)) if n > side else (n - side) // 2 for n in shape[:2])
    return Window(top, left, side)


def _mirrored(start: int, length: int, size: int) -> np.ndarray:
    """Indices start .. start+length-1 folded into 0 .. size-1 by reflection about the border pixels; (length,) int."""
    if size == 1:
        return np.zeros(length, dtype=int)
    period = 2 * (size - 1)
    folded = np.arange(start, start + length) % period
    return np.where(folded < size, folded, period - folded)


def _nearest(size: int, side: int) -> np.ndarray:
    return ((np.arange(side) + 0.5) * size / side).astype(int)


def _pool_any(mask: np.ndarray, side: int) -> np.ndarray:
    """Max-pool (s, s) bool to (side, side); cells overlap where s / side is not whole, so no pixel is lost."""
    size = mask.shape[0]
    starts = np.arange(side) * size // side
    stops = -(-(np.arange(side) + 1) * size // side)
    edges = np.stack([starts, stops], axis=1).ravel()
    for axis in (0, 1):
        # reduceat cannot stop at the very end, hence one more empty line; every second result is between two cells.
        padded = np.concatenate([mask, np.zeros_like(mask.take([0], axis))], axis)
        mask = np.logical_or.reduceat(padded, edges, axis).take(np.arange(0, 2 * side, 2), axis)
    return mask


def _focus(mask: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of the whole mask, or of one mark drawn by area when marks lie far apart."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    boxes = [(rows.start, columns.start, rows.stop, columns.stop) for rows, columns in ndimage.find_objects(labels)]
    whole = np.array(boxes)
    box = (*whole[:, :2].min(axis=0).tolist(), *whole[:, 2:].max(axis=0).tolist())
    areas = np.bincount(labels.ravel())[1:]
    one = boxes[rng.choice(count, p=areas / areas.sum())]
    far_apart = _extent(box) > 4 * max(_extent(b) for b in boxes)
    return one if far_apart else box


def _is_thin(mark: np.ndarray) -> bool:
    """Longer than eight times its width at the widest place; mark (h, w) bool fills its bounding box."""
    widest = 2 * ndimage.distance_transform_edt(np.pad(mark, 1)).max() - 1
    return max(mark.shape) > 8 * float(widest)


def _extent(box: tuple[int, int, int, int]) -> int:
    return max(box[2] - box[0], box[3] - box[1])


def _offset(start: int, stop: int, side: int, size: int, shift: float) -> int:
    """Where a window of `side` starts along an axis of `size` so that start..stop is inside; shift in [0, 1] picks one
    of the possible places, a quarter of the free space from the edges where the image allows it."""
    if side >= size:
        return (size - side) // 2
    margin = max(0, side - (stop - start)) // 4
    low = min(max(0, stop + margin - side), size - side)
    high = max(min(size - side, start - margin), 0)
    return round(low + shift * (high - low)) if high > low else (low + high) // 2
