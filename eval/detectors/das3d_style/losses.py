"""How far a batch is from good, and its map from the masks; each returns one number a sample, (B,)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_SIDE, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def reconstruction(made: Tensor, good: Tensor, where: Tensor) -> Tensor:
    """Mean squared error plus 1 - SSIM (Wang et al. 2004) over `where` (B, 1, H, W), as in DRAEM; made, good (B, C, H,
    W) in [0, 1]."""
    away = (made - good).square() + 1 - similarity(made, good)
    weight = where.to(made.dtype).expand_as(made)
    return (away * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1)


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """SSIM of every pixel, (B, C, H, W): a Gaussian window of 11 px, sigma 1.5, weights beyond the border left out."""
    mean_one, mean_other = _mean(one), _mean(other)
    spread = _mean(one * one) - mean_one.square()
    spread_other = _mean(other * other) - mean_other.square()
    together = _mean(one * other) - mean_one * mean_other
    above = (2 * mean_one * mean_other + _C1) * (2 * together + _C2)
    return above / ((mean_one.square() + mean_other.square() + _C1) * (spread + spread_other + _C2))


def focal(logits: Tensor, masks: Tensor, gamma: float = 2.0) -> Tensor:
    """Focal loss (Lin et al. 2017, eq. 4): the mean of (1 - p)^gamma times the cross entropy, p the probability of the
    truth; logits, masks (B, 1, H, W)."""
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    return ((1 - torch.exp(-entropy)).pow(gamma) * entropy).mean((1, 2, 3))


def _mean(x: Tensor) -> Tensor:
    line = torch.exp(-0.5 * ((torch.arange(_SIDE, dtype=x.dtype, device=x.device) - _SIDE // 2) / _SIGMA) ** 2)
    flat = x.flatten(0, 1)[:, None]
    ones = torch.ones_like(flat[:1])
    down, right = line[None, None, :, None], line[None, None, None, :]

    def summed(values: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(values, down, padding=(_SIDE // 2, 0)), right, padding=(0, _SIDE // 2))

    return (summed(flat) / summed(ones)).view(x.shape)
