"""Features of points on the grid of an image."""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from eval.features.point_network import PointFeatures

_NEAREST = 3
_CLOSE = 1e-8
"""Of the mean squared distance: added to each, so that a point on a centre takes that centre's features."""


def grid_of_points(
    features: PointFeatures, points: Tensor, place: Tensor, size: tuple[int, int], grid: tuple[int, int]
) -> tuple[list[Tensor], Tensor]:
    """The levels as maps (C_k, h, w) float32 and which cells hold a point, (h, w) bool; other cells are 0.

    points (n, 3); place (n, 2): row and column of each in an image of `size` px; grid: h and w. A point has the mean of
    the features of its 3 nearest centres, weighted by 1 / distance^2 (M3DM), a cell the mean over its points. Both are
    one sparse matrix (cells, centres), so that nothing of points x channels is held."""
    rows, columns = grid
    cell = place[:, 0] * rows // size[0] * columns + place[:, 1] * columns // size[1]
    count = torch.bincount(cell, minlength=rows * columns)
    owners, weights = interpolation(features.centres, points)
    entries = torch.stack([cell[:, None].expand_as(owners).flatten(), owners.flatten()])
    shares = (weights / count[cell][:, None]).flatten().float()
    shape = (rows * columns, len(features.centres))
    spread = torch.sparse_coo_tensor(entries, shares, shape, check_invariants=True).coalesce()
    maps = [torch.sparse.mm(spread, level.float()).T.reshape(-1, rows, columns) for level in features.levels]
    return maps, (count > 0).reshape(rows, columns)


def interpolation(centres: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """For each point its nearest centres (n, k) and their weights (n, k) float64, which sum to 1."""
    near = min(_NEAREST, len(centres))
    distance, owners = cKDTree(centres.double().numpy()).query(points.double().numpy(), k=range(1, near + 1))
    square = torch.from_numpy(distance).square()
    weights = 1 / (square + _CLOSE * square.mean() + torch.finfo(torch.float64).tiny)
    return torch.from_numpy(owners).long(), weights / weights.sum(1, keepdim=True)
