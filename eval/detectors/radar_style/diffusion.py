"""The forward step of diffusion, and what a predictor of its noise is trained by (Ho et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Predictor = Callable[[Tensor, Tensor], Tensor]
"""(x (B, C, h, w), steps (B,) from 0) -> predicted noise (B, C, h, w)."""
STEPS = 1000
_BETA = (1e-4, 0.02)


def kept_shares() -> Tensor:
    """The share of the image's variance that is left after each step, float64 (STEPS,): products of 1 - beta, beta
    linear from 1e-4 to 0.02."""
    return torch.cumprod(1 - torch.linspace(*_BETA, STEPS, dtype=torch.float64), dim=0)


def noised(x: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """sqrt(a) x + sqrt(1 - a) noise, a the kept share after `steps` (B,) from 0; x, noise (B, C, h, w)."""
    kept = kept_shares()[steps.cpu()].to(x.device)[:, None, None, None]
    return kept.sqrt().to(x.dtype) * x + (1 - kept).sqrt().to(x.dtype) * noise


def noise_loss(predictor: Predictor, x: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
    """Mean squared error of the predicted noise, a number."""
    return (predictor(noised(x, noise, steps), steps) - noise).square().mean()
