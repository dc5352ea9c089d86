"""VM: one map and one score of three cues a cell; the published rule is unknown, so there are four. [I]

| rule    | map                                        | score of the image                                    |
|---------|--------------------------------------------|-------------------------------------------------------|
| product | e_P e_R, smoothed, over the root of its mean | the largest of the map (CFM)                         |
| sum     | e_P + e_R + e_M, each standardised by good cells | the largest                                      |
| ocsvm   | a one-class SVM's side of good cells (M3DM) | that of (max e_P, max e_R, max e_M), of good images  |
| rank    | mean rank of the three in the image        | that of product, since ranks in an image compare none |

Cues are (B, h, w, 3): e_P, e_R and e_M, 0 where there are no points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from eval.detectors.smoothing import smoothed

Rule = Literal["product", "sum", "ocsvm", "rank"]


@dataclass(frozen=True)
class Statistics:
    """Of good samples: mean and deviation (3,) of the cues of their cells; weights (3,) that a one-class SVM gives the
    cues of cells, and the largest cues of images."""

    mean: Tensor
    deviation: Tensor
    cell_weights: Tensor
    image_weights: Tensor


def statistics(cues: Tensor, largest: Tensor, seed: int) -> Statistics:
    """Of the cues of cells (N, 3), and of the largest of each image (n, 3)."""
    deviation, mean = torch.std_mean(cues, 0, correction=0)
    return Statistics(mean, deviation.clamp(min=1e-12), one_class(cues, seed), one_class(largest, seed))


def one_class(rows: Tensor, seed: int) -> Tensor:
    """The normal (3,) of the plane that parts rows (N, 3) from the origin (M3DM: nu = 0.5, 1000 passes); a cue that is
    larger counts as more anomalous."""
    from sklearn.linear_model import SGDOneClassSVM

    found = SGDOneClassSVM(nu=0.5, max_iter=1000, random_state=seed).fit(rows.double().numpy()).coef_
    return torch.from_numpy(np.asarray(found)).float().reshape(-1)


def vote(rule: Rule, cues: Tensor, valid: Tensor, good: Statistics, sigma: float) -> tuple[Tensor, Tensor]:
    """Scores (B,) and maps (B, h, w), smoothed by sigma cells, of cues (B, h, w, 3); valid (B, h, w) bool. A map is
    least where there are no points."""
    if rule == "product":
        return product(cues, sigma)
    maps = _ranks(cues, valid) if rule == "rank" else ((cues - good.mean) / good.deviation).sum(-1)
    if rule == "ocsvm":
        maps = cues @ good.cell_weights
    least = maps.masked_fill(~valid, torch.inf).flatten(1).amin(1)[:, None, None]
    maps = smoothed(torch.where(valid, maps, least), sigma)
    if rule == "sum":
        return maps.flatten(1).amax(1), maps
    if rule == "ocsvm":
        return cues.flatten(1, 2).amax(1) @ good.image_weights, maps
    return product(cues, sigma)[0], maps


def product(cues: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """CFM: e_P e_R, smoothed, over the root of the mean of what is above 0 of it; and the largest of that."""
    maps = smoothed(cues[..., 0] * cues[..., 1], sigma)
    above = maps > 0
    mean = maps.sum((1, 2)) / above.sum((1, 2)).clamp(min=1)
    maps = maps / mean.clamp(min=1e-12).sqrt()[:, None, None]
    return maps.flatten(1).amax(1), maps


def _ranks(cues: Tensor, valid: Tensor) -> Tensor:
    """The mean over cues of a cell's rank among those of its image with points, as a share: (B, h, w)."""
    flat = cues.masked_fill(~valid[..., None], torch.inf).flatten(1, 2)
    ranks = flat.argsort(dim=1, stable=True).argsort(dim=1).float()
    shares = ranks.mean(-1) / valid.flatten(1).sum(1, keepdim=True).clamp(min=1)
    return shares.reshape(valid.shape)
