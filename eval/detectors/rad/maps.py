"""From distances of cells to a smooth map and an image score."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_REACH = 2


def smooth_maps(cells: Tensor, side: int, sigma: float) -> Tensor:
    """Distances (B, h, w) as maps of about side * side px with the same aspect: bilinear, then a Gaussian of sigma px
    cut to 5 x 5 px, with zeros beyond the border, as published."""
    height, width = cells.shape[-2:]
    scale = side / (height * width) ** 0.5
    size = max(1, round(height * scale)), max(1, round(width * scale))
    maps = F.interpolate(cells[:, None], size, mode="bilinear", align_corners=False)
    if sigma > 0:
        line = torch.exp(-0.5 * (torch.arange(-_REACH, _REACH + 1, dtype=maps.dtype) / sigma) ** 2)
        kernel = torch.outer(line, line) / line.sum().square()
        maps = F.conv2d(maps, kernel[None, None], padding=_REACH)
    return maps[:, 0]


def image_scores(maps: Tensor, max_ratio: float) -> Tensor:
    """Mean over the highest share max_ratio of the pixels of maps (B, H, W), at least over one: (B,)."""
    pixels = maps.flatten(1)
    return pixels.topk(max(1, int(max_ratio * pixels.shape[1])), dim=1).values.mean(1)
