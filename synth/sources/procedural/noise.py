"""Seeded random fields and curves on a pixel grid. All lengths are in pixels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft, ndimage

Shape = tuple[int, int]


@lru_cache(maxsize=8)
def grid(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Row and column coordinates of every pixel, float32 (H, W) each. Shared: do not write to them."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return rows, columns


def random_field(
    shape: Shape, rng: np.random.Generator, slope: float = 2.0, stretch: float = 1.0, angle: float = 0.0
) -> np.ndarray:
    """A Gaussian random field of zero mean and unit deviation, float32 (H, W).

    Its power falls as 1 / f^slope (0 = white, 2 = clouds, 4 = very smooth). stretch > 1 draws it out by that factor
    along `angle` (radians, 0 = along a row)."""
    rows = fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    columns = fft.rfftfreq(shape[1]).astype(np.float32)[None]
    along = np.cos(angle) * columns + np.sin(angle) * rows
    across = np.cos(angle) * rows - np.sin(angle) * columns
    power = (along * stretch) ** 2 + (across / stretch) ** 2
    power[0, 0] = np.inf
    spectrum = fft.rfft2(rng.standard_normal(shape, dtype=np.float32)) * power ** (-slope / 4)
    field = fft.irfft2(spectrum, s=shape)
    return ((field - field.mean()) / max(float(field.std()), 1e-8)).astype(np.float32)


def band_field(shape: Shape, rng: np.random.Generator, scale: float) -> np.ndarray:
    """White noise blurred to blobs of about `scale` px, zero mean, unit deviation, float32 (H, W)."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), scale, mode="wrap")
    return (field - field.mean()) / max(float(field.std()), 1e-8)


def wander(
    start: np.ndarray, heading: float, length: float, bend: float, step: float, rng: np.random.Generator
) -> np.ndarray:
    """A curve of about `length` px from `start` (row, column): (n, 2) points `step` px apart.

    The heading (radians) does a random walk of `bend` radians per step: 0.02 is a sweep, 0.5 a crack."""
    n = max(2, round(length / step))
    headings = heading + np.cumsum(rng.normal(0.0, bend, n))
    moves = step * np.stack([np.sin(headings), np.cos(headings)], axis=1)
    return start + np.vstack([np.zeros((1, 2)), np.cumsum(moves, axis=0)])


def curve_distance(points: np.ndarray, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Distance in px from every pixel to a polyline (n, 2), and where along it (0..1) the nearest spot lies.

    Both float32 (H, W). Exact at the curve's samples, which `wander` puts at most a few px apart."""
    n = len(points)
    dense = np.linspace(0, n - 1, max(n, int(2 * np.abs(np.diff(points, axis=0)).sum()) + 2))
    rows = np.interp(dense, np.arange(n), points[:, 0])
    columns = np.interp(dense, np.arange(n), points[:, 1])
    marked = np.ones(shape, dtype=bool)
    along = np.zeros(shape, dtype=np.float32)
    r, c = np.rint(rows).astype(int), np.rint(columns).astype(int)
    seen = (r >= 0) & (r < shape[0]) & (c >= 0) & (c < shape[1])
    if not seen.any():
        return np.full(shape, np.inf, dtype=np.float32), along
    marked[r[seen], c[seen]] = False
    along[r[seen], c[seen]] = dense[seen] / (n - 1)
    distance, nearest = ndimage.distance_transform_edt(marked, return_indices=True)
    return distance.astype(np.float32), along[nearest[0], nearest[1]]


def blob_distance(
    centre: np.ndarray, radii: tuple[float, float], angle: float, rough: float, shape: Shape, rng: np.random.Generator
) -> np.ndarray:
    """Signed distance-like field of an uneven ellipse, float32 (H, W): px, negative inside.

    rough: relative amplitude of its edge (0 = ellipse, 0.3 = ragged), made of 2 to 7 bumps around the rim."""
    rows, columns = grid(shape)
    y, x = rows - centre[0], columns - centre[1]
    u = (np.cos(angle) * x + np.sin(angle) * y) / radii[0]
    v = (np.cos(angle) * y - np.sin(angle) * x) / radii[1]
    theta = np.arctan2(v, u)
    orders = np.arange(2, 8)
    weights = rng.normal(0.0, rough, 6) / np.sqrt(orders)
    phases = rng.uniform(0.0, 2 * np.pi, 6)
    rim = 1 + sum(w * np.sin(k * theta + p) for k, w, p in zip(orders, weights, phases, strict=True))
    size = float(np.sqrt(radii[0] * radii[1]))
    return ((np.hypot(u, v) - np.maximum(rim, 0.25)) * size).astype(np.float32)


def soft_step(distance: np.ndarray, width: float) -> np.ndarray:
    """1 inside (negative distance), 0 outside, a smooth ramp `width` px wide across the edge."""
    t = np.clip(0.5 - distance / max(width, 1e-6), 0.0, 1.0)
    return t * t * (3 - 2 * t)
