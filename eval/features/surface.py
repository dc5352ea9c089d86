"""The surface that points lie on: a thinned cloud, each point's surroundings, and normals towards the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

_PER_RADIUS = 36
"""Voxels to the root mean square distance from the centroid: about 100 across a disc."""
_SPACINGS = 1.5
"""Voxels are at least this many times the distance between neighbours."""
_SMALLEST = 1e-30
"""Metres: the voxel of a cloud that is one place."""
_DIGITS = 9
"""Of squared distances in voxels; what differs in those after it is rounding."""


@dataclass(frozen=True)
class Surroundings:
    """For each of n points the others within a radius, nearest first: rows (n, k) int64, itself left out; squared
    distances (n, k); known (n, k) bool: which of them exist."""

    rows: np.ndarray
    squares: np.ndarray
    known: np.ndarray


def spread(points: np.ndarray) -> float:
    """The root mean square distance of points (n, 3) from their centroid, above 0."""
    return max(float(np.sqrt(np.square(points - points.mean(0)).sum(1).mean())), float(np.finfo(np.float32).tiny))


def voxel_of(points: np.ndarray) -> float:
    """The side of voxels that suit a cloud (n, 3): it follows its size, of which single far points change little, and
    is wider than the distance between neighbours."""
    near, _ = cKDTree(points).query(points, k=[2])
    side = max(spread(points) / _PER_RADIUS, _SPACINGS * float(np.median(near)))
    return float(np.float32(max(side, _SMALLEST)))  # without the last bits, which the order of the points decides


def thinned_rows(points: np.ndarray, voxel: float) -> np.ndarray:
    """One row a voxel, sorted: that of the point nearest to the mean of the voxel's points (n, 3); of several, such as
    two points, the one of the smallest coordinates."""
    cells = np.floor((points - points.min(0)) / voxel).astype(np.int64)
    _, owner, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    owner = owner.ravel()
    sums = np.stack([np.bincount(owner, points[:, axis]) for axis in range(3)], axis=1)
    off = np.square((points - (sums / count[:, None])[owner]) / voxel).sum(1).round(_DIGITS)
    order = np.lexsort((*points.T[::-1], off, owner))
    first = np.flatnonzero(np.diff(owner[order], prepend=-1))
    return np.sort(order[first])


def surroundings(points: np.ndarray, radius: float, most: int) -> Surroundings:
    """The nearest points within `radius` of each, at most `most` with itself, as open3d's hybrid search counts."""
    wanted = min(most, len(points))
    distance, rows = cKDTree(points).query(points, k=range(1, wanted + 1))
    own = rows == np.arange(len(points))[:, None]
    own[~own.any(1), -1] = True  # among duplicates, a point may not be its own neighbour
    others = ~own
    shape = (len(points), wanted - 1)
    rows, distance = rows[others].reshape(shape), distance[others].reshape(shape)
    return Surroundings(rows, np.square(distance), distance <= radius)


def eigen(points: np.ndarray, near: Surroundings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means (n, 3) of each point with its surroundings, eigenvalues (n, 3) of their covariance from small to large, and
    unit normals (n, 3) towards the camera at (0, 0, 0). A neighbour weighs the less the farther it is, so that two
    points with the same neighbours have not the same normal: between such, point feature histograms are undecided."""
    distance = np.sqrt(near.squares)
    reach = 1.01 * np.where(near.known, distance, 0).max(1, initial=0, keepdims=True)
    share = np.where(near.known & (reach > 0), 1 - distance / np.where(reach > 0, reach, 1), near.known)
    weight = np.concatenate([np.ones((len(points), 1)), share], axis=1)[..., None]
    members = points[np.concatenate([np.arange(len(points))[:, None], near.rows], axis=1)]
    total = weight.sum(1)
    mean = (weight * members).sum(1) / total
    centred = members - mean[:, None]
    values, vectors = np.linalg.eigh((weight * centred).transpose(0, 2, 1) @ centred / total[..., None])
    normals = vectors[:, :, 0]
    away = (normals * points).sum(1) > 0
    return mean, values.clip(min=0), np.where(away[:, None], -normals, normals)


def curvature(values: np.ndarray) -> np.ndarray:
    """Smallest over summed eigenvalues, (n,); 0 where all points coincide."""
    total = values.sum(1)
    return np.divide(values[:, 0], total, out=np.zeros(len(values)), where=total > 0)
