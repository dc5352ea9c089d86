"""A cloud as occupied cells with features (Engelcke et al. 2016, section IV; for surfaces that were scanned closely,
more of them: there is no reflectance, and a defect is a deviation much smaller than the part)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from eval.detectors.vote3deep.voting import Kernel, votes

CHANNELS = 9
LEAST_POINTS = 3
"""Of a cell or its surroundings; fewer have no shape."""
SPACINGS, FINEST = 2.0, 256
"""A voxel is so many spacings wide, and a part at most so many voxels."""


@dataclass(frozen=True)
class Voxels:
    """coords (N, 3) int64, different cells in order, of a grid of `dims`; features (N, 9) float32: 1, log(1 + points),
    mean place in the cell (3), shape factors (3), how well the surface around faces one way; owner (n,) int64: the cell
    of each point; origin (3,) metres of the grid's corner; side: metres."""

    coords: Tensor
    dims: Kernel
    features: Tensor
    owner: Tensor
    origin: Tensor
    side: float


def voxel_side(points: Tensor) -> float:
    """Metres: twice the median distance between neighbours, and at least 1/256 of the diagonal of points (n, 3)."""
    every = points.double().numpy()
    near = cKDTree(every).query(every, k=[2])[0]
    diagonal = float((points.amax(0) - points.amin(0)).norm())
    smallest = float(torch.finfo(torch.float32).tiny)
    return max(SPACINGS * float(torch.from_numpy(near).median()), diagonal / FINEST, smallest)


def voxelise(points: Tensor, side: float, margin: int) -> Voxels:
    """The cells of points (n, 3) float32 metres, the grid `margin` cells wider than them on each side. Translating the
    points changes nothing but the origin."""
    origin = points.amin(0)
    place = (points - origin) / side
    cells = place.floor().long()
    extent = cells.amax(0) + 1
    keys = (cells[:, 0] * extent[1] + cells[:, 1]) * extent[2] + cells[:, 2]
    found, owner, count = keys.unique(return_inverse=True, return_counts=True)
    coords = torch.stack([found // (extent[1] * extent[2]), found // extent[2] % extent[1], found % extent[2]], 1)
    within = (place - cells - 0.5).double()
    moments = _added(torch.cat([within, _squares(within)], 1), owner, len(coords))
    mean = moments[:, :3] / count[:, None]
    values, _ = _axes(moments, count, LEAST_POINTS)
    facing = _facing(coords + 1, tuple((extent + 2).tolist()), moments, count)
    features = torch.cat([torch.ones_like(mean[:, :1]), count[:, None].log1p(), mean, _shape(values), facing], 1)
    dims = tuple((extent + 2 * margin).tolist())
    return Voxels(coords + margin, dims, features.float(), owner, origin - margin * side, side)


def _facing(coords: Tensor, dims: Kernel, moments: Tensor, count: Tensor) -> Tensor:
    """(N, 1) in [0, 1]: mean squared cosine between the normal of a cell and those of the cells around it, each fitted
    to the points of 3 x 3 x 3 cells; 1 on a plane."""
    around = votes(coords, dims, (3, 3, 3), only=coords)
    shift = coords.double()
    # Moments about the grid's corner, so that those of several cells may be added.
    first = moments[:, :3] + count[:, None] * shift
    crossed = moments[:, :3, None] * shift[:, None]
    squares = count[:, None] * _squares(shift)
    second = (moments[:, 3:] + squares).view(-1, 3, 3) + crossed + crossed.mT
    gathered = _added_by(torch.cat([count[:, None].double(), first, second.flatten(1)], 1), around.rows, len(coords))
    _, vectors = _axes(gathered[:, 1:], gathered[:, 0], LEAST_POINTS)
    normals = vectors[:, :, 0]
    tensors = torch.cat([torch.ones_like(normals[:, :1]), _squares(normals)], 1)
    mean = _added_by(tensors, around.rows, len(coords))
    aligned = torch.einsum("ni,nij,nj->n", normals, mean[:, 1:].view(-1, 3, 3) / mean[:, :1, None], normals)
    return aligned.clamp(0, 1)[:, None]


def _axes(moments: Tensor, count: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Eigenvalues (N, 3) from small to large, 0 for fewer points than `least`, and eigenvectors (N, 3, 3) in columns,
    of the covariance of first and second moments (N, 3 + 9)."""
    mean = moments[:, :3] / count[:, None]
    covariance = moments[:, 3:].view(-1, 3, 3) / count[:, None, None] - _squares(mean).view(-1, 3, 3)
    values, vectors = torch.linalg.eigh(covariance)
    return torch.where((count >= least)[:, None], values.clamp(min=0), 0), vectors


def _shape(values: Tensor) -> Tensor:
    """Linear, planar and spherical share (N, 3) of eigenvalues that rise, by the largest (Westin 1997); they sum to 1,
    or are 0 without a shape."""
    small, middle, large = values.unbind(1)
    parts = torch.stack([large - middle, middle - small, small], 1)
    return torch.where((large > 0)[:, None], parts / large.clamp(min=1e-12)[:, None], 0)


def _squares(vectors: Tensor) -> Tensor:
    """(N, 9) of vectors (N, 3): each times its transpose."""
    return (vectors[:, :, None] * vectors[:, None]).flatten(1)


def _added(values: Tensor, owner: Tensor, count: int) -> Tensor:
    return values.new_zeros(count, values.shape[1]).index_add(0, owner, values)


def _added_by(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Values (N, C) summed over the cells that vote for each."""
    total = values.new_zeros(count + 1, values.shape[1])
    for tap in range(rows.shape[1]):
        total.index_add_(0, rows[:, tap], values)
    return total[:-1]
