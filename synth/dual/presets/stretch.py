"""GLFM stage I: the points around a seed pulled along the seed's normal, most at the seed."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy.spatial import cKDTree

from synth.dual.presets.unorganised import Changed, CloudScheme, Range, drawn_sign, nearest, same_side
from synth.dual.surface import Surface

AXES = (0.8, 1.2)
"""Factors on each axis in which the neighbourhood is measured. [C]"""
SHARE = (0.01, 0.02)
"""Share of all points that move. [C]"""
PUBLISHED_FACTOR = 100.0
"""Height of the published ramp over (its rank times the mean squared spacing). [C]"""


class Glfm(CloudScheme):
    """GLFM (Cheng et al. 2025): the k points next to a seed s, in axes scaled at random, move along its normal n_s.

    Published: p_i += c n_s (k - i) 100 d for ranks i = 0 .. k - 1 and c = +-1, where d is the mean *squared* distance
    to the nearest neighbour taken for a length: heights grow with the square of the unit, a thousandfold in
    millimetres, and with sparser points. Mended: p_i += c n_s A (1 - r_i / R), r the distance in those axes, R that of
    the next point. A covers what the published form gives for a part of 123 mm in metres with 5,000 to 50,000 points,
    4.6 to 7.5 mm."""

    name: ClassVar[str] = "glfm"
    height: Range = Field((0.037, 0.061), description="A, share of the diagonal. [P]")
    compat: bool = Field(False, description="Heights by rank and squared spacing; wants metres.")

    def change(self, surface: Surface, rng: np.random.Generator) -> Changed:
        if self.compat:
            return Changed(published_stretch(surface.points, surface.normals, rng))
        height = rng.uniform(*self.height) * surface.diagonal
        return Changed(stretch(surface.points, surface.normals, height, rng))


def stretch(points: np.ndarray, normals: np.ndarray, height: float, rng: np.random.Generator) -> np.ndarray:
    """Offsets (N, 3) of points (N, 3) with outward normals; `height` in the cloud's unit, at the seed."""
    seed, sign, distance, count = _neighbourhood(points, rng)
    distance = np.where(same_side(normals, seed), distance, np.inf)
    order = nearest(distance, count + 1)
    order = order[np.isfinite(distance[order])]
    ramp = 1 - distance[order] / max(distance[order[-1]], np.finfo(float).tiny)
    return _along(points, order, sign * height * ramp, normals[seed])


def published_stretch(points: np.ndarray, normals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Offsets (N, 3) as released, units and all; points in metres."""
    seed, sign, distance, count = _neighbourhood(points, rng)
    order = nearest(distance, count)
    squared = float((cKDTree(points).query(points, 2, workers=-1)[0][:, 1] ** 2).mean())
    return _along(points, order, sign * PUBLISHED_FACTOR * squared * np.arange(len(order), 0, -1), normals[seed])


def _neighbourhood(points: np.ndarray, rng: np.random.Generator) -> tuple[int, float, np.ndarray, int]:
    """Seed, sign, distance (N,) of all points from it in scaled axes, number of points to move."""
    size = len(points)
    fewest = max(int(SHARE[0] * size), 3)
    count = int(rng.integers(fewest, max(int(SHARE[1] * size), fewest) + 1))
    seed = int(rng.integers(size))
    sign = drawn_sign(rng)
    scale = rng.uniform(*AXES, 3)
    return seed, sign, np.linalg.norm((points - points[seed]) * scale, axis=1), count


def _along(points: np.ndarray, members: np.ndarray, heights: np.ndarray, direction: np.ndarray) -> np.ndarray:
    offset = np.zeros(points.shape)
    offset[members] = heights[:, None] * direction
    return offset
