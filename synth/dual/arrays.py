"""Small array tools that work alike on numpy arrays and torch tensors.

What depends on pixels alone is written once, in the part of both languages that is the same, so that a batch in torch
and a single sample in numpy are one piece of code. Fields are (..., H, W), vectors (..., H, W, 3); leading axes are a
batch. No argument is written to.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import cv2
import numpy as np

Array = Any
"""A numpy array or a torch tensor, as the caller's are."""


def namespace(array: Array) -> Any:
    """The library that the array belongs to: torch or numpy."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(array, torch.Tensor) else np


def like(values: Any, array: Array) -> Array:
    """`values` as an array of the same library, device and float type as `array`."""
    xp = namespace(array)
    if xp is np:
        return np.asarray(values, dtype=array.dtype)
    return xp.as_tensor(values, dtype=array.dtype, device=array.device)


def dot(first: Array, second: Array) -> Array:
    """Scalar product along the last axis, which has 2 or 3 entries."""
    total = first[..., 0] * second[..., 0] + first[..., 1] * second[..., 1]
    return total if first.shape[-1] == 2 else total + first[..., 2] * second[..., 2]


def cross(first: Array, second: Array) -> Array:
    """Vector product along the last axis."""
    a, b, c = first[..., 0], first[..., 1], first[..., 2]
    x, y, z = second[..., 0], second[..., 1], second[..., 2]
    return namespace(first).stack([b * z - c * y, c * x - a * z, a * y - b * x], -1)


def norm(vectors: Array) -> Array:
    """Length along the last axis."""
    return namespace(vectors).sqrt(dot(vectors, vectors))


def unit(vectors: Array) -> Array:
    """Vectors of length one; zero stays zero."""
    length = norm(vectors)
    return vectors / (length + (length == 0))[..., None]


def within(x: Array, low: float | None = None, high: float | None = None) -> Array:
    """Values kept between limits. (On small arrays numpy's own clip takes several times as long.)"""
    if not isinstance(x, np.ndarray):
        return x.clip(low, high)
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def ramp(x: Array) -> Array:
    """0 below 0, 1 above 1, 3x^2 - 2x^3 between."""
    x = within(x, 0, 1)
    return x * x * (3 - 2 * x)


def grow(mask: np.ndarray, px: int) -> np.ndarray:
    """A bool mask (H, W) widened by `px` pixels in all eight directions."""
    square = np.ones((2 * px + 1, 2 * px + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), square).astype(bool)


def smooth(field: Array, sigma: float) -> Array:
    """The field (..., H, W) under a Gaussian of `sigma` px, as three boxes in a row; edges are continued flat.

    Cost does not depend on sigma. Wells (1986): three boxes of width w have the variance (w^2 - 1) / 4."""
    half = round((math.sqrt(4 * sigma * sigma + 1) - 1) / 2)
    if half < 1:
        return field
    if isinstance(field, np.ndarray):
        return _boxes(field, 2 * half + 1)
    for axis in (-2, -1):
        for _ in range(3):
            field = _box(field, half, axis)
    return field


def _boxes(field: np.ndarray, width: int) -> np.ndarray:
    smoothed = np.empty_like(field)
    for image, out in zip(field.reshape(-1, *field.shape[-2:]), smoothed.reshape(-1, *field.shape[-2:]), strict=True):
        for _ in range(3):
            image = cv2.blur(image, (width, width), borderType=cv2.BORDER_REPLICATE)
        out[...] = image
    return smoothed


def _box(field: Array, half: int, axis: int) -> Array:
    """One box of a tensor along one axis."""
    xp, size = namespace(field), field.shape[axis]
    where = xp.as_tensor(np.clip(np.arange(-half - 1, size + half), 0, size - 1), device=field.device)
    total = field.index_select(axis, where).cumsum(axis, dtype=xp.float64)
    width = 2 * half + 1
    mean = (total.narrow(axis, width, size) - total.narrow(axis, 0, size)) / width
    return mean.to(field.dtype)


def slopes(field: Array) -> tuple[Array, Array]:
    """Differences of a field (..., H, W) per px along rows (v, downwards) and columns (u): central, one-sided at the
    edges."""
    xp = namespace(field)
    down = 0.5 * (field[..., 2:, :] - field[..., :-2, :])
    right = 0.5 * (field[..., 2:] - field[..., :-2])
    down = xp.concatenate([field[..., 1:2, :] - field[..., :1, :], down, field[..., -1:, :] - field[..., -2:-1, :]], -2)
    right = xp.concatenate([field[..., 1:2] - field[..., :1], right, field[..., -1:] - field[..., -2:-1]], -1)
    return down, right


def sample_at(field: Array, rows: Array, columns: Array) -> Array:
    """Bilinear values of fields (B, H, W) at float positions (B, h, w) each; positions beyond the edge take the
    edge's value."""
    xp = namespace(field)
    height, width = field.shape[-2:]
    rows, columns = within(rows, 0, height - 1), within(columns, 0, width - 1)
    top, left = xp.floor(rows), xp.floor(columns)
    down, right = rows - top, columns - left
    top, left = _whole(top), _whole(left)
    batch = np.arange(field.shape[0]).reshape(-1, 1, 1) * (height * width)
    if xp is not np:
        batch = xp.as_tensor(batch, device=field.device)
    first = batch + top * width + left
    below, beside = width * (top < height - 1), 1 * (left < width - 1)
    flat = field.reshape(-1)
    upper = flat[first] * (1 - right) + flat[first + beside] * right
    lower = flat[first + below] * (1 - right) + flat[first + below + beside] * right
    return upper * (1 - down) + lower * down


def _whole(array: Array) -> Array:
    return array.astype(np.intp) if isinstance(array, np.ndarray) else array.long()
