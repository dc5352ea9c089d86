"""Evidence of an anomaly: the edges of the predicted noise (spec: one forward step, one call of the network, Sobel)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from eval.detectors.radar_style.diffusion import Predictor, noised

_SOBEL = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8


@dataclass(frozen=True)
class Evidence:
    """Of N tiles: edges (N, h, w), and features (N, 2): root mean square of the predicted noise and of its edges."""

    edges: Tensor
    features: Tensor


def evidence(predictor: Predictor, tiles: Tensor, noise: Tensor | None, step: int, residual: bool = False) -> Evidence:
    """One call of the predictor on all tiles (N, C, h, w) in [-1, 1]. noise: alike, or None for none; step: from 1;
    residual: look at what was predicted less the noise that was added."""
    steps = torch.full((len(tiles),), step - 1)
    added = torch.zeros_like(tiles) if noise is None else noise
    predicted = predictor(noised(tiles, added, steps), steps)
    if residual:
        predicted = predicted - added
    each = sobel(predicted)
    return Evidence(each.mean(1), torch.stack([_root_mean_square(predicted), _root_mean_square(each)], 1))


def sobel(maps: Tensor) -> Tensor:
    """Length of the gradient a pixel, (N, C, h, w) of (N, C, h, w), borders repeated."""
    kernels = torch.stack([_SOBEL, _SOBEL.T])[:, None].to(maps)
    padded = F.pad(maps.flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernels).square().sum(1).sqrt().view(maps.shape)


def _root_mean_square(values: Tensor) -> Tensor:
    return values.flatten(1).square().mean(1).sqrt()
