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


def clouds(shape: Shape, rng: np.random.Generator, scale: float) -> np.ndarray:
    """Smooth blobs of about `scale` px, near unit deviation, float32 (H, W): cubic B-splines on a coarse random grid.

    Far cheaper than `band_field` where scale is several px; below 2 px use that."""
    sixth = round(6 * np.log2(max(scale, 1.0)))  # few scales, so that their weights are reused
    rows, columns = (_spline_weights(length, sixth, int(rng.integers(4))) for length in shape)
    coarse = rng.standard_normal((rows.shape[1], columns.shape[1]), dtype=np.float32)
    return 2.1 * (rows @ coarse @ columns.T)  # B-splines average: a sum over 4 x 4 knots has deviation 0.48


@lru_cache(maxsize=512)
def _spline_weights(length: int, sixth: int, shift: int) -> np.ndarray:
    """Cubic B-spline weights (length, knots) of knots 2^(sixth/6) px apart, the first moved by shift/4 of that."""
    position = np.arange(length) / 2 ** (sixth / 6) + shift / 4
    away = np.abs(position[:, None] - (np.arange(int(position[-1]) + 4) - 1))
    inner, outer = 2 / 3 - away**2 + away**3 / 2, (2 - away) ** 3 / 6
    return np.where(away < 1, inner, np.where(away < 2, outer, 0.0)).astype(np.float32)


def cells(shape: Shape, rng: np.random.Generator, pitch: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voronoi cells of one random point in each square of a grid `pitch` px wide (Worley 1996).

    Number of the cell at each pixel, int32 (H, W), below `256`; distances to the nearest and second nearest point in
    px, float32 (H, W)."""
    rows, columns = grid(shape)
    jitter = rng.uniform(0, 1, (2, 16, 16)).astype(np.float32)
    y, x = rows / np.float32(pitch), columns / np.float32(pitch)
    row, column = np.floor(y).astype(np.int32), np.floor(x).astype(np.int32)
    y, x = y - row, x - column
    number = np.zeros(shape, dtype=np.int32)
    first, second = np.full(shape, np.inf, dtype=np.float32), np.full(shape, np.inf, dtype=np.float32)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            own = ((row + down) % 16) * 16 + (column + right) % 16
            away = (jitter[0].ravel()[own] + (down - y)) ** 2 + (jitter[1].ravel()[own] + (right - x)) ** 2
            nearer = away < first
            second = np.where(nearer, first, np.minimum(second, away))
            number, first = np.where(nearer, own, number), np.where(nearer, away, first)
    return number, np.sqrt(first) * np.float32(pitch), np.sqrt(second) * np.float32(pitch)


def profile(rng: np.random.Generator, count: int, scale: float) -> np.ndarray:
    """Smooth random numbers of unit deviation, float32 (count,), alike over about `scale` steps."""
    steps = rng.standard_normal(count + 8, dtype=np.float32)
    smooth = ndimage.gaussian_filter1d(steps, scale, mode="wrap")[4:-4]
    return (smooth - smooth.mean()) / max(float(smooth.std()), 1e-8)


def near_curve(points: np.ndarray, shape: Shape, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """`curve_distance` to a fraction of a pixel and at a tenth of the cost, but only up to `reach` px: inf beyond.

    points (n, 2); both float32 (H, W)."""
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    along = np.linspace(0, lengths[-1], int(lengths[-1] / min(max(reach / 8, 0.4), 2.0)) + 2)
    rows, columns = (np.interp(along, lengths, points[:, axis])[:, None, None] for axis in (0, 1))
    span = np.arange(-int(np.ceil(reach)), int(np.ceil(reach)) + 1)
    r = np.rint(rows).astype(np.int64) + span[:, None]
    c = np.rint(columns).astype(np.int64) + span
    away = np.hypot(r - rows, c - columns)
    seen = (r >= 0) & (r < shape[0]) & (c >= 0) & (c < shape[1]) & (away <= reach)
    order = np.broadcast_to(np.arange(len(along))[:, None, None], away.shape)[seen]
    # Distance in the high digits, the curve's sample in the low ones: one minimum finds both.
    nearest = np.full(shape[0] * shape[1], np.iinfo(np.int64).max)
    np.minimum.at(nearest, (r * shape[1] + c)[seen], (away[seen] * 4096).astype(np.int64) * len(along) + order)
    hit = nearest < np.iinfo(np.int64).max
    distance = np.where(hit, nearest // len(along) / 4096, np.inf).astype(np.float32).reshape(shape)
    return distance, (np.where(hit, nearest % len(along), 0) / (len(along) - 1)).astype(np.float32).reshape(shape)


def blob(
    centre: np.ndarray, radii: tuple[float, float], angle: float, rough: float, shape: Shape, rng: np.random.Generator
) -> np.ndarray:
    """`blob_distance` with its rim read from a table: a quarter of the cost, other random draws."""
    rows, columns = grid(shape)
    y, x = rows - np.float32(centre[0]), columns - np.float32(centre[1])
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = (cos * x + sin * y) / np.float32(radii[0]), (cos * y - sin * x) / np.float32(radii[1])
    distance = np.hypot(u, v)
    if rough:
        orders = np.arange(2, 8)
        turns = np.arange(512)[:, None] * (2 * np.pi / 512) * orders + rng.uniform(0, 2 * np.pi, 6)
        rim = np.maximum(1 + np.sin(turns) @ (rng.normal(0, rough, 6) / np.sqrt(orders)), 0.25).astype(np.float32)
        distance = distance - rim[((np.arctan2(v, u) + np.pi) * (511 / (2 * np.pi))).astype(np.int16)]
    else:
        distance = distance - 1
    return distance * np.float32(np.sqrt(radii[0] * radii[1]))
