"""The surface a part lies on: a plane by RANSAC over the border of the frame or all of it, with a little bow.

Depth cameras bend a flat table by up to a centimetre across the frame, more than a thin part is high; so a quadratic in
the plane's own coordinates follows what lies near the plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HYPOTHESES = 256
BORDER = 10
LEAST_SUPPORT = 0.3
INSET = 0.05
"""Share of the frame's shorter side by which a sensor's own blind edge reaches in, at most."""
EMPTY = 0.1
"""Share of border pixels with a return below which the border is empty: a part may reach across it."""
NEAR = 4e-3
"""Metres from the surface found so far within which a pixel may belong to it: less than a part is high."""
GROWTH = 8
"""Fits in which the surface reaches further from where it is known."""


@dataclass(frozen=True, slots=True)
class Plane:
    """n . x = offset in metres, `normal` (3,) unit and facing the camera (offset < 0); `bow` (6,) metres: what the
    surface rises above it, a quadratic in x and y; `spread` metres: robust deviation of the surface from that."""

    normal: np.ndarray
    offset: float
    bow: np.ndarray
    spread: float = 0.0

    def height(self, xyz: np.ndarray) -> np.ndarray:
        """Distance (...) of points (..., 3) from the bowed surface, + towards the camera."""
        flat = xyz @ self.normal.astype(xyz.dtype) - np.asarray(self.offset, xyz.dtype)
        x, y = xyz[..., 0], xyz[..., 1]
        one, by_x, by_y, by_xx, by_xy, by_yy = self.bow.astype(xyz.dtype)
        return flat - (one + x * (by_x + by_xx * x + by_xy * y) + y * (by_y + by_yy * y))


def fit_plane(xyz: np.ndarray, valid: np.ndarray, tolerance: float) -> Plane | None:
    """The plane that most border pixels (BORDER wide) follow within `tolerance` metres; where fewer than
    LEAST_SUPPORT do, the one that most of the frame follows; None where there is neither.

    256 planes through three random pixels each, all tried at once, then least squares over the followers."""
    rim = np.ones(valid.shape, bool)
    rim[BORDER:-BORDER, BORDER:-BORDER] = False
    for where in (valid & rim, valid):
        found = _ransac(xyz[where].astype(np.float64), tolerance)
        if found is not None:
            return _bowed(found, xyz[valid], tolerance)
    return None


def table_is_cut_off(valid: np.ndarray) -> bool:
    """Whether nothing returned along the border of the frame, also a little further in, as in a scan whose background
    was removed. A sensor that returns nothing at the very edge is not taken for that."""
    inset = max(1, round(INSET * min(valid.shape)))
    return max(_rim(valid).mean(), _rim(valid[inset:-inset, inset:-inset]).mean()) < EMPTY


def _rim(image: np.ndarray) -> np.ndarray:
    """The values (N,) of pixels within BORDER of the edge."""
    rim = np.ones(image.shape, bool)
    rim[BORDER:-BORDER, BORDER:-BORDER] = False
    return image[rim]


def _bowed(plane: Plane, points: np.ndarray, tolerance: float) -> Plane:
    """The plane with a quadratic through the points near it, refitted as it reaches further out, then twice to those
    within 3 deviations."""
    few = points[:: max(1, len(points) // 20_000)].astype(np.float64)
    x, y = few[:, 0], few[:, 1]
    design = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)
    flat = few @ plane.normal - plane.offset
    bow, spread, gate = np.zeros(6), 0.0, max(NEAR, 2 * tolerance)
    for step in range(GROWTH + 2):
        near = np.abs(flat - design @ bow) < (gate if step < GROWTH else min(3 * spread, gate))
        if near.sum() < 60:
            return plane
        bow = np.linalg.lstsq(design[near], flat[near], rcond=None)[0]
        residual = np.abs(flat - design @ bow)[near]
        spread = max(1.4826 * float(np.median(residual)), tolerance / 3)
    return Plane(plane.normal, plane.offset, bow, spread)


def _ransac(points: np.ndarray, tolerance: float) -> Plane | None:
    if len(points) < 12:
        return None
    rng = np.random.default_rng(0)  # a fixed stream: the plane belongs to the sample, not to a draw
    few = points[rng.permutation(len(points))[:2000]]
    a, b, c = few[rng.integers(len(few), size=(3, HYPOTHESES))]
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1)
    normal = normal[length > 1e-12] / length[length > 1e-12, None]
    offset = np.einsum("ij,ij->i", normal, a[length > 1e-12])
    if len(normal) == 0:
        return None
    support = (np.abs(few @ normal.T - offset) < tolerance).mean(0)
    best = int(np.argmax(support))
    if support[best] < LEAST_SUPPORT:
        return None
    followers = points[np.abs(points @ normal[best] - offset[best]) < tolerance]
    centre = followers.mean(0)
    refined = np.linalg.eigh(np.cov((followers - centre).T))[1][:, 0]
    refined *= -1.0 if refined @ centre > 0 else 1.0
    return Plane(refined, float(refined @ centre), np.zeros(6))
