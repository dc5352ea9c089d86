"""Distances of an image's cells from good images: first the good images most like it are retrieved, then every cell is
compared with their cells at the same place and around it.

L cells of a grid (h, w), row by row; C channels; k good images. Tokens and memory are of length one (`directions`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from eval.features.neighbours import nearest
from synth.errors import EvalError

MAX_BYTES = 2 * 2**20
"""What fits the caches: half precision is then hardly slower than single (benchmarks/rad.py)."""


def directions(tokens: Tensor) -> Tensor:
    """Tokens (..., C) of length one. Zeros get the direction of a constant token, so that they are alike."""
    length = tokens.norm(dim=-1, keepdim=True)
    return torch.where(length > 0, tokens / length, tokens.shape[-1] ** -0.5)


def retrieved(whole: Tensor, memory: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k good images most like each image by the cosine of their vectors: of whole (B, D) and memory (N, D), the
    distances 1 - cos and the images, (B, min(k, N)) each."""
    return nearest(whole, memory, k, "cosine")


def window(grid: tuple[int, int], rho: int | None) -> Tensor | None:
    """For each cell, the cells at most rho rows and columns away: (L, (2 rho + 1)^2) int64, itself in place of
    those beyond the border. None where that is the whole grid, as it is for a rho of None."""
    height, width = grid
    if rho is None or rho >= max(grid) - 1:
        return None
    steps = torch.arange(-rho, rho + 1)
    rows = (torch.arange(height)[:, None] + steps)[:, None, :, None]
    columns = (torch.arange(width)[:, None] + steps)[None, :, None, :]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    itself = torch.arange(height * width).reshape(height, width, 1, 1)
    return torch.where(inside, rows * width + columns, itself).reshape(height * width, -1)


def best_similarity(tokens: Tensor, memory: Tensor, window: Tensor | None, max_bytes: int = MAX_BYTES) -> Tensor:
    """Largest cosine of each token (L, C) with the cells of good images, memory (k, L, C) float16 or float32, that its
    window allows: (L,) float32. A cell of memory meets all tokens that may see it in one product; max_bytes bounds what
    is computed at a time."""
    best = tokens.new_full((len(tokens),), -torch.inf)
    images, cells, channels = memory.shape
    seen, copied = (cells, 0) if window is None else (window.shape[1], window.shape[1])
    step = max(1, max_bytes // (4 * (channels * (images + copied) + seen * images)))
    for start in range(0, cells, step):
        good = memory[:, start : start + step].transpose(0, 1).float()
        if window is None:
            best = torch.maximum(best, (tokens @ good.reshape(-1, channels).T).amax(1))
            continue
        places = window[start : start + step]
        found = torch.bmm(tokens[places], good.transpose(1, 2)).amax(2)
        best = best.scatter_reduce(0, places.flatten(), found.flatten(), "amax")
    return best


def distances(
    tokens: Sequence[Tensor], memory: Sequence[Tensor], images: Tensor, window: Tensor | None, weights: Sequence[float]
) -> Tensor:
    """a(p) = sum over levels of weight * (1 - largest cosine allowed), (L,) float32 in [0, 2]: tokens (L, C_l) of one
    image, memory (N, L, C_l) of which only `images` (k,) are read, weights of sum 1."""
    images = images.sort().values
    levels = [
        weight * (1 - best_similarity(level, good[images], window)).clamp_min(0)
        for level, good, weight in zip(tokens, memory, weights, strict=True)
    ]
    return torch.stack(levels).sum(0)


def level_weights(weights: Sequence[float] | None, levels: int) -> list[float]:
    """Weights of sum 1, alike where none are given. EvalError for another number of weights than levels."""
    if weights is None:
        return [1 / levels] * levels
    if len(weights) != levels:
        raise EvalError(f"rad has {len(weights)} weights for {levels} levels of features; give one a level")
    return [weight / sum(weights) for weight in weights]
