"""Images in tiles: windows to learn from, and overlapping ones whose predictions are blended into one map."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Corner = tuple[int, int]
"""Row and column of a window's first pixel."""
_OVERLAP = 0.25


def padded(array: np.ndarray, side: int) -> np.ndarray:
    """(H, W, ...), mirrored beyond its last row and column to at least (side, side)."""
    missing = [(0, max(0, side - length)) for length in array.shape[:2]]
    return np.pad(array, [*missing, *[(0, 0)] * (array.ndim - 2)], "symmetric") if np.any(missing) else array


def cut(array: np.ndarray, corner: Corner, side: int) -> np.ndarray:
    """The window (side, side, ...) at a corner."""
    return array[corner[0] : corner[0] + side, corner[1] : corner[1] + side]


def draw_corner(mask: np.ndarray, side: int, rng: np.random.Generator) -> Corner:
    """Where to look at an image with this mask (H, W), no smaller than (side, side): with a random defect pixel
    anywhere in the middle three quarters of the window (nearer at the image's border); without a defect anywhere."""
    room = np.array(mask.shape) - side
    marked = np.flatnonzero(mask)
    if len(marked):
        pixel = np.array(np.unravel_index(marked[rng.integers(len(marked))], mask.shape))
        top, left = np.clip(pixel - rng.integers(side // 8, side - side // 8, 2), 0, room)
    else:
        top, left = rng.integers(0, room + 1)
    return int(top), int(left)


def blended(predict: Callable[[np.ndarray], np.ndarray], image: np.ndarray, side: int) -> np.ndarray:
    """The map (H, W) of an image (H, W, 3) from what predict, (N, side, side, 3) -> (N, side, side), says of windows
    that overlap by a quarter or more; each counts less towards its border."""
    height, width = image.shape[:2]
    image = padded(image, side)
    corners = [(top, left) for top in _starts(image.shape[0], side) for left in _starts(image.shape[1], side)]
    found = predict(np.stack([cut(image, corner, side) for corner in corners]))
    ramp = np.minimum(np.arange(side) + 0.5, side - 0.5 - np.arange(side))
    weight = np.outer(ramp, ramp)
    total, weights = (np.zeros(image.shape[:2]) for _ in range(2))
    for corner, window in zip(corners, found, strict=True):
        cut(total, corner, side)[:] += weight * window
        cut(weights, corner, side)[:] += weight
    return (total / weights)[:height, :width].astype(np.float32)


def _starts(length: int, side: int) -> list[int]:
    """The first pixels of evenly spaced windows that cover a length."""
    more = math.ceil((length - side) / (side - _OVERLAP * side))
    return [round(index * (length - side) / max(1, more)) for index in range(more + 1)]
