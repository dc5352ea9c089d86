"""Neighbourhood aggregation in several degrees (SNAMD of MuSc-V2): every token becomes a mean of its neighbours,
weighted by how alike they are, over windows of several sizes, so that small and large defects both stand out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

DEGREES = (1, 3, 5)


def aggregated_grid(tokens: Tensor, degrees: Sequence[int] = DEGREES) -> Tensor:
    """Tokens of images (B, C, h, w) -> the same shape, unit length over C. Over each window of r x r cells (r odd, in
    `degrees`): F_r = sum_j w_j f_j / sum_j w_j with w_j = exp(-||f_j - f_0||); the result is the mean of the F_r. Cells
    beyond the border are zeros and count as neighbours (as in the released code)."""
    reach = max(degrees) // 2
    padded = functional.pad(tokens, (reach, reach, reach, reach))
    height, width = tokens.shape[-2:]
    total, weights, mean = torch.zeros_like(tokens), torch.zeros_like(tokens[:, :1]), torch.zeros_like(tokens)
    for ring in range(reach + 1):
        for down, right in _ring(ring):
            rows, columns = slice(reach + down, reach + down + height), slice(reach + right, reach + right + width)
            neighbour = padded[..., rows, columns]
            weight = (-(neighbour - tokens).norm(dim=1, keepdim=True)).exp()
            total += weight * neighbour
            weights += weight
        if 2 * ring + 1 in degrees:
            mean += total / weights
    return functional.normalize(mean / len(degrees), dim=1)


def aggregated_groups(
    tokens: Tensor,
    centres: Tensor,
    flat: Tensor | None = None,
    degrees: Sequence[int] = DEGREES,
    agg3d: Literal["mean", "repo"] = "mean",
) -> Tensor:
    """Tokens of one cloud's groups (G, C) with centres (G, 3) -> (G, C). Tokens are scaled to unit length first; the
    window of degree r is the r nearest centres, itself among them. Only groups that are `flat` (G,) bool are
    aggregated (all where None): in the others the token of the group itself is sharper.

    agg3d "mean" takes the mean of the degrees, as on images. "repo" sets them one after the other and averages every
    three adjacent channels, as the released code does; its channels then have another order than those of the groups
    that are not flat. The result is not scaled again, in either."""
    tokens = functional.normalize(tokens, dim=1)
    between = torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = between.sort(dim=1, stable=True).indices[:, : max(degrees)]
    neighbours = tokens[nearest]
    weights = (-(neighbours - tokens[:, None]).norm(dim=2)).exp()
    total, weight = (weights[..., None] * neighbours).cumsum(1), weights.cumsum(1)
    windows = [min(degree, len(tokens)) - 1 for degree in degrees]
    means = torch.stack([total[:, last] / weight[:, last, None] for last in windows], 1)
    if agg3d == "repo":
        pooled = functional.adaptive_avg_pool1d(means.flatten(1), tokens.shape[1])
    else:
        pooled = means.mean(1)
    return pooled if flat is None else torch.where(flat[:, None], pooled, tokens)


def _ring(ring: int) -> list[tuple[int, int]]:
    """Offsets of the cells on the border of the window of side 2 * ring + 1."""
    side = range(-ring, ring + 1)
    return [(down, right) for down in side for right in side if max(abs(down), abs(right)) == ring]
