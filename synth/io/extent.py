"""How large a cloud is: its bounding box without stray points, the one measure for everything that scales by size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

FEW = 0.01
"""Share of the points, all together, that stray points are at most."""
APART = 6.0
"""Distance to the rest from which points are apart, in median distances to the NEAR-th neighbour."""
NEAR = 6
SHRINKS = 0.9
"""The box without them over the box with them, below which they are stray: what does not change the size stays."""
MOST_POINTS = 50_000
"""Points that are looked at; of more, evenly many."""


@dataclass(frozen=True, slots=True)
class Extent:
    """low, high (3,): corners of the box; stray: points outside of it."""

    low: np.ndarray
    high: np.ndarray
    stray: int = 0

    @property
    def size(self) -> np.ndarray:
        """Length, width and height, (3,)."""
        return self.high - self.low

    @property
    def largest(self) -> float:
        """The longest side."""
        return float(self.size.max())

    @property
    def diagonal(self) -> float:
        """Corner to corner."""
        return float(np.linalg.norm(self.size))


def extent(points: np.ndarray) -> Extent:
    """The box of points (N, 3), N > 0, all finite, without stray ones: few, apart from all others, and such that the
    box shrinks without them."""
    whole = Extent(points.min(0), points.max(0))
    some = points[:: -(-len(points) // MOST_POINTS)]
    body = _body(some)
    if body.all() or not body.any():
        return whole
    low, high = some[body].min(0), some[body].max(0)
    if np.linalg.norm(high - low) > SHRINKS * np.linalg.norm(whole.size):
        return whole
    # Of all points, those beside what was looked at belong to it.
    margin = 0.02 * (high - low).max()
    inside = ((points >= low - margin) & (points <= high + margin)).all(1)
    kept = points[inside]
    return Extent(kept.min(0), kept.max(0), int(len(points) - len(kept)))


def _body(points: np.ndarray) -> np.ndarray:
    """Which points (N,) bool are connected to more than a few others."""
    if len(points) <= NEAR:
        return np.ones(len(points), bool)
    apart, near = cKDTree(points).query(points, NEAR + 1)
    reach = APART * float(np.median(apart[:, NEAR]))
    joined = apart[:, 1:] <= reach
    rows = np.repeat(np.arange(len(points)), NEAR)[joined.ravel()]
    links = csr_matrix((np.ones(len(rows), bool), (rows, near[:, 1:].ravel()[joined.ravel()])), (len(points),) * 2)
    _, piece = connected_components(links, directed=False)
    size = np.bincount(piece)
    order = np.argsort(size, kind="stable")
    few = order[np.cumsum(size[order]) <= FEW * len(points)]
    return ~np.isin(piece, few)
