"""A few rows that stand for many: greedy k-centre selection (Sener and Savarese 2018; PatchCore, Roth et al. 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from eval.features.neighbours import Bank, rows_of
from synth.errors import EvalError

BLOCK = 16384


def coreset(features: Bank, count: int, seed: int, project_to: int | None = None) -> Tensor:
    """Rows (count,) int64 of features (M, C), in the order chosen: the first at random, then always the row farthest
    from those chosen, the smaller row among equals. No row of features is then farther from its nearest chosen row than
    twice the best that any `count` rows reach; and a smaller count gives the first rows of a larger one. count is at
    most M. project_to: distances are those of a random Gaussian projection to so many channels, where C is more.
    O(count x M x channels) time, O(M) memory beside the (projected) features. EvalError for features that are not
    finite, and for none."""
    if len(features) == 0 or count < 1:
        raise EvalError(f"{count} of {len(features)} rows of features cannot be selected; give at least one of each")
    generator = torch.Generator().manual_seed(seed)
    first = int(torch.randint(len(features), (), generator=generator))
    points = _projected(features, project_to, generator)
    if not torch.isfinite(points).all():
        raise EvalError("features to select from are not finite: look for a broken image")
    farthest = torch.full((len(points),), torch.inf, device=points.device)
    chosen = [first]
    farthest[first] = -1
    while len(chosen) < min(count, len(points)):
        # Differences, not products: equal rows are at distance 0, so none is chosen twice.
        away = torch.cdist(points, points[chosen[-1]][None], compute_mode="donot_use_mm_for_euclid_dist")[:, 0]
        farthest = torch.minimum(farthest, away)
        chosen.append(int(farthest.argmax()))
        farthest[chosen[-1]] = -1
    return torch.tensor(chosen)


def _projected(features: Bank, project_to: int | None, generator: torch.Generator) -> Tensor:
    """Features (M, C) as float32 (M, min(C, project_to)), by blocks. In float64, so that threads change no choice."""
    channels = features.shape[1]
    matrix = None
    if project_to is not None and project_to < channels:
        matrix = torch.randn(channels, project_to, generator=generator, dtype=torch.float64) / project_to**0.5
    blocks = []
    for start in range(0, len(features), BLOCK):
        block = rows_of(features, torch.arange(start, min(start + BLOCK, len(features))), _device(features))
        blocks.append(block if matrix is None else (block.double() @ matrix.to(block.device)).float())
    return torch.cat(blocks)


def _device(features: Bank) -> torch.device:
    return features.device if isinstance(features, Tensor) else torch.device("cpu")
