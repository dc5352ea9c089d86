"""Images as overlapping tiles, and what is said of tiles as one map."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Corner = tuple[int, int]


def corners(size: tuple[int, int], side: int) -> list[Corner]:
    """Row and column of the first pixel of each tile: evenly spaced, at most half a side apart, that cover an image (H,
    W) no smaller than a tile."""
    return [(top, left) for top in _starts(size[0], side) for left in _starts(size[1], side)]


def cut(image: Tensor, where: list[Corner], side: int) -> Tensor:
    """The tiles (N, C, side, side) of an image (C, H, W)."""
    return torch.stack([image[:, top : top + side, left : left + side] for top, left in where])


def blended(tiles: Tensor, where: list[Corner], size: tuple[int, int]) -> Tensor:
    """The map (H, W) of tiles (N, side, side): their mean, weighted by a Hann window that is above 0 at its border."""
    side = tiles.shape[-1]
    line = torch.hann_window(side + 2, periodic=False, dtype=tiles.dtype)[1:-1]
    window = torch.outer(line, line)
    total, weights = (torch.zeros(size, dtype=tiles.dtype) for _ in range(2))
    for tile, (top, left) in zip(tiles, where, strict=True):
        total[top : top + side, left : left + side] += window * tile
        weights[top : top + side, left : left + side] += window
    return total / weights


def _starts(length: int, side: int) -> list[int]:
    more = math.ceil((length - side) / max(1, side // 2))
    return [round(number * (length - side) / max(1, more)) for number in range(more + 1)]
