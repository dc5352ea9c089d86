"""Memories of groups, one for each kind of cloud (GLFM, stages II and III)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from eval.features.coreset import coreset
from eval.features.neighbours import nearest

Centres = Literal["kcenter", "kmeans"]
PROJECTED = 128
"""Dimensions in which the coreset is chosen."""


@dataclass(frozen=True)
class Banks:
    """centres (K, C): what whole clouds are compared with; rows (M, C) of all memories, one after the other; start
    (K + 1,) int64: where each begins."""

    centres: Tensor
    rows: Tensor
    start: Tensor

    def bank(self, number: int) -> Tensor:
        return self.rows[self.start[number] : self.start[number + 1]]

    def route(self, local: Tensor) -> int:
        """The memory of the centre nearest to the mean of a cloud's features (G, C)."""
        return int(nearest(local.mean(0, keepdim=True), self.centres)[1])

    def scores(self, local: Tensor, number: int) -> Tensor:
        """Distance (G,) of each group to its nearest row of a memory."""
        return nearest(local, self.bank(number))[0][:, 0]


def build(clouds: Sequence[Tensor], count: int, share: float, seed: int, centres: Centres = "kcenter") -> Banks:
    """Memories of clouds (G, C) each. Every cloud goes to the nearest of `count` centres of their means, which are some
    of these means, far from each other (as released), or k-means centres (as the paper says); what then is in a memory
    is thinned to a `share` of it. A centre that no cloud is nearest to is dropped."""
    whole = torch.stack([local.mean(0) for local in clouds])
    middle = _means(whole, count, seed) if centres == "kmeans" else whole[coreset(whole, count, seed).sort().values]
    owner = nearest(whole, middle)[1][:, 0]
    used = owner.unique()
    rows = [torch.cat([local for local, own in zip(clouds, owner, strict=True) if own == k]) for k in used]
    thinned = [one[coreset(one, max(1, round(share * len(one))), seed, PROJECTED)] for one in rows]
    start = torch.tensor([0, *(len(one) for one in thinned)]).cumsum(0)
    return Banks(middle[used], torch.cat(thinned), start)


def _means(whole: Tensor, count: int, seed: int) -> Tensor:
    from sklearn.cluster import KMeans

    distinct = len(whole.unique(dim=0))
    found = KMeans(min(count, distinct), random_state=seed, n_init="auto").fit(whole.numpy()).cluster_centers_
    return torch.from_numpy(found).float()
