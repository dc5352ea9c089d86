"""Re-scoring by resemblance (RsCon of MuSc-V2): an image's score is averaged with those of the images whose most
striking token is most like its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

NEIGHBOURS = (1, 7)


def rescored(scores: Tensor, similarity: Tensor, known: Tensor, neighbours: Sequence[int] = NEIGHBOURS) -> Tensor:
    """Scores of Q images, each within a set of its own, in [0, 1]: scores (Q, n) of the members of the sets, the image
    itself in the first column, similarity (Q, n) to them, known (Q, n) bool: which columns belong to the set -> (Q,).

    Scores are stretched to [0, 1] over the set (all 0 where they are equal). For each k of `neighbours`: the mean of
    the k most similar members (all, where there are fewer), weighted by their similarity; the result is the mean over
    k. Negative similarities weigh nothing (the released code keeps their sign, so that a sum of weights can vanish);
    an image that resembles none, not even itself, keeps its score."""
    low = scores.masked_fill(~known, torch.inf).amin(1, keepdim=True)
    high = scores.masked_fill(~known, -torch.inf).amax(1, keepdim=True)
    stretched = (scores - low) / (high - low).clamp(min=torch.finfo(scores.dtype).tiny)
    ranked = similarity.masked_fill(~known, -torch.inf).sort(dim=1, descending=True, stable=True)
    weights, ordered = ranked.values.clamp(min=0), stretched.gather(1, ranked.indices)
    results = []
    for count in neighbours:
        total = weights[:, :count].sum(1)
        mean = (weights[:, :count] * ordered[:, :count]).sum(1) / total
        results.append(torch.where(total > 0, mean, stretched[:, 0]))
    return torch.stack(results).mean(0)
