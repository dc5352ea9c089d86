"""Regions of cells, their boxes, and non-maximum suppression of boxes in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from eval.detectors.vote3deep.voting import Kernel, votes


@dataclass(frozen=True)
class Region:
    """A box with axes along those of the grid: low and high (3,) metres, its score, and the cells in it."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    score: float
    cells: int


def components(coords: Tensor, dims: Kernel) -> Tensor:
    """Number (N,) int64 of the component that each cell (N, 3) is in, of those that touch, corners included (26), in
    the order of their first cells."""
    if not len(coords):
        return torch.empty(0, dtype=torch.int64)
    rows = votes(coords, dims, (3, 3, 3), only=coords).rows
    one, tap = (rows < len(coords)).nonzero(as_tuple=True)
    links = coo_matrix((np.ones(len(one)), (one.numpy(), rows[one, tap].numpy())), shape=(len(coords),) * 2)
    return torch.from_numpy(connected_components(links, directed=False)[1]).long()


def volume_iou(one: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (M,) of a box (6,) of low and high corner with others (M, 6)."""
    low, high = torch.maximum(one[:3], others[:, :3]), torch.minimum(one[3:], others[:, 3:])
    both = (high - low).clamp(min=0).prod(1)
    volume = (one[3:] - one[:3]).prod() + (others[:, 3:] - others[:, :3]).prod(1) - both
    return torch.where(volume > 0, both / volume, 0)


def suppressed(boxes: Tensor, scores: Tensor, overlap: float) -> Tensor:
    """Rows of boxes (M, 6) to keep, best first: greedily, each whose volume IoU with every better one kept is at most
    `overlap`; of equal scores the first."""
    left = scores.sort(descending=True, stable=True).indices
    kept = []
    while len(left):
        kept.append(int(left[0]))
        left = left[1:]
        left = left[volume_iou(boxes[kept[-1]], boxes[left]) <= overlap]
    return torch.tensor(kept, dtype=torch.int64)
