"""Features of several levels, and of points, on one grid of cells."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from eval.detectors.encoding import Encoded

CELL = 8
"""Pixels of the resized image that a cell of the grid is wide, where a method leaves it open."""


def grid_of(size: tuple[int, int], cell: int = CELL) -> tuple[int, int]:
    """Rows and columns of cells of an image (H, W)."""
    return max(1, size[0] // cell), max(1, size[1] // cell)


def image_cells(levels: list[Tensor], grid: tuple[int, int], neighbourhood: int = 3) -> Tensor:
    """Levels (B, C_k, h_k, w_k), each averaged over a neighbourhood of its own cells, on one grid: (B, sum C_k, h, w).
    Coarser levels are interpolated, finer ones averaged."""
    return torch.cat([on_grid(_averaged(level, neighbourhood), grid) for level in levels], dim=1)


def point_cells(encoded: Encoded, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Features of points on the grid, (B, C, h, w), and where there are any, (B, h, w) bool."""
    from eval.features.points import grid_of_points  # scipy or open3d: not needed for images

    assert encoded.shapes is not None
    cells, valid = [], []
    for shape in encoded.shapes:
        levels, there = grid_of_points(shape.features, shape.points, shape.place, encoded.size, grid)
        cells.append(torch.cat(levels))
        valid.append(there)
    return torch.stack(cells), torch.stack(valid)


def _averaged(level: Tensor, neighbourhood: int) -> Tensor:
    return F.avg_pool2d(level, neighbourhood, 1, neighbourhood // 2, count_include_pad=False)


def on_grid(level: Tensor, grid: tuple[int, int]) -> Tensor:
    """A level (B, C, h', w') on another grid: averaged where that is coarser, else interpolated."""
    height, width = level.shape[-2:]
    if height >= grid[0] and width >= grid[1]:
        return F.adaptive_avg_pool2d(level, grid)
    return F.interpolate(level, grid, mode="bilinear", align_corners=False)
