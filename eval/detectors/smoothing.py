"""Gaussian smoothing of maps in floating point; published codes blur an 8-bit copy, of 256 levels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def smoothed(maps: Tensor, sigma: float) -> Tensor:
    """Maps (B, h, w) convolved with a Gaussian of `sigma` cells, cut at 4 sigma, borders mirrored."""
    reach = min(round(4 * sigma), min(maps.shape[-2:]) - 1)
    if reach < 1:
        return maps
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=maps.dtype) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    x = F.pad(maps[:, None], (0, 0, reach, reach), mode="reflect")
    x = F.conv2d(x, kernel[None, None, :, None])
    x = F.pad(x, (reach, reach, 0, 0), mode="reflect")
    return F.conv2d(x, kernel[None, None, None, :])[:, 0]
