"""Small array tools that work alike on numpy arrays and torch tensors.

What depends on pixels alone is written once, in the part of both languages that is the same, so that a batch in torch
and a single sample in numpy are one piece of code. Fields are (..., H, W), vectors (..., H, W, 3); leading axes are a
batch. No argument is written to.
"""

from __future__ import annotations

import math
import sys
from typing import Any

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


def ramp(x: Array) -> Array:
    """0 below 0, 1 above 1, 3x^2 - 2x^3 between."""
    x = namespace(x).clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def grow(mask: np.ndarray, px: int) -> np.ndarray:
    """A bool mask (H, W) widened by `px` pixels in all eight directions."""
    wide = np.pad(mask, px)
    for axis, size in enumerate(mask.shape):
        pieces = [np.take(wide, range(shift, shift + size), axis) for shift in range(2 * px + 1)]
        wide = np.logical_or.reduce(pieces)
    return wide


def smooth(field: Array, sigma: float) -> Array:
    """The field (..., H, W) under a Gaussian of `sigma` px, as three boxes in a row; edges are continued flat.

    Cost does not depend on sigma. Wells (1986): three boxes of width w have the variance (w^2 - 1) / 4."""
    half = round((math.sqrt(4 * sigma * sigma + 1) - 1) / 2)
    if half < 1:
        return field
    for axis in (-2, -1):
        for _ in range(3):
            field = _box(field, half, axis)
    return field


def _box(field: Array, half: int, axis: int) -> Array:
    xp = namespace(field)
    size = field.shape[axis]
    where = np.clip(np.arange(-half - 1, size + half), 0, size - 1)
    where = where if xp is np else xp.as_tensor(where, device=field.device)
    wide = field[..., where] if axis == -1 else field[..., where, :]
    total = wide.cumsum(axis, dtype=xp.float64)
    width = 2 * half + 1
    if axis == -1:
        mean = (total[..., width:] - total[..., :-width]) / width
    else:
        mean = (total[..., width:, :] - total[..., :-width, :]) / width
    return mean.astype(field.dtype) if xp is np else mean.to(field.dtype)


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
    rows, columns = xp.clip(rows, 0, height - 1), xp.clip(columns, 0, width - 1)
    top, left = xp.floor(rows), xp.floor(columns)
    down, right = rows - top, columns - left
    top, left = _whole(top), _whole(left)
    below, beside = xp.clip(top + 1, 0, height - 1), xp.clip(left + 1, 0, width - 1)
    batch = np.arange(field.shape[0]).reshape(-1, 1, 1)
    if xp is not np:
        batch = xp.as_tensor(batch, device=field.device)
    upper = field[batch, top, left] * (1 - right) + field[batch, top, beside] * right
    lower = field[batch, below, left] * (1 - right) + field[batch, below, beside] * right
    return upper * (1 - down) + lower * down


def _whole(array: Array) -> Array:
    return array.astype(np.int32) if namespace(array) is np else array.long()
