"""What a structured-light sensor does to a new surface: shadow of the projector, grazing loss, flying points, noise."""

from __future__ import annotations

import numpy as np

from synth.dual.arrays import Array, namespace, within

GRAZING_DEG = 75.0
GRAZING_SOFT_DEG = 4.0
FLYING = 0.1
"""Chance that a pixel in a new shadow returns its point all the same."""
_STEEP = 1e9


def depth_noise(depth: np.ndarray, where: np.ndarray) -> float:
    """Standard deviation of the depth noise in metres, from second differences L*z over pixels (H, W) bool whose nine
    neighbours are all valid: 1.4826 MAD / 6, L = [[1, -2, 1], [-2, 4, -2], [1, -2, 1]], |L|_2 = 6.

    Where depth is so coarsely quantised that the median is zero, the mean deviation stands in. 0 for no pixels."""
    whole = where[:-2] & where[1:-1] & where[2:]
    whole = whole[:, :-2] & whole[:, 1:-1] & whole[:, 2:]
    down = depth[:-2] - 2 * depth[1:-1] + depth[2:]
    second = (down[:, :-2] - 2 * down[:, 1:-1] + down[:, 2:])[whole]
    if second.size == 0:
        return 0.0
    away = np.abs(second - np.median(second))
    median = float(np.median(away))
    return (1.4826 * median if median > 0 else 1.2533 * float(np.clip(away, 0, np.percentile(away, 95)).mean())) / 6


def projector_shadow(xyz: Array, baseline: float, along: Array = 1.0) -> Array:
    """Pixels (..., H, W) bool that a projector at (baseline, 0, 0) metres cannot light because a surface nearer to it
    along the row is in the way. The tangent of the angle to the projector, (x - b) / z, must grow along each row;
    invalid pixels throw none. `along`: -1 where x falls along the rows, as in a mirrored image; (..., 1, 1)."""
    xp = namespace(xyz)
    depth = xyz[..., 2]
    valid = depth > 0
    slope = (along * xyz[..., 0] - baseline) / (depth + ~valid)
    if baseline < 0:
        return valid & (slope < _running_max(xp.where(valid, slope, -_STEEP)) - 1e-7)
    reverse = xp.flip(xp.where(valid, -slope, -_STEEP), (-1,))
    return valid & (-slope < xp.flip(_running_max(reverse), (-1,)) - 1e-7)


def _running_max(rows: Array) -> Array:
    xp = namespace(rows)
    return np.maximum.accumulate(rows, -1) if xp is np else xp.cummax(rows, -1).values


def grazing_loss(cosine: Array, uniform: Array) -> Array:
    """Pixels lost to a grazing view, with probability 1 / (1 + exp(-(theta - 75 deg) / 4 deg)); cosine between normal
    and line of sight, uniform draws in [0, 1], both (..., H, W)."""
    xp = namespace(cosine)
    theta = xp.arccos(within(cosine, 0, 1)) * (180 / np.pi)
    return uniform < 1 / (1 + xp.exp(-(theta - GRAZING_DEG) / GRAZING_SOFT_DEG))
