"""Losses for masks of which one pixel in a hundred or fewer is defect: logits and targets (B, 1, H, W), targets 0 or 1;
each returns one number an image, (B,)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

_EPS = 1.0


def bce_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy plus, where there is a defect, 1 - soft Dice (Milletari et al. 2016), which does not care how many
    good pixels there are."""
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean((1, 2, 3))
    return entropy + _overlap_loss(logits, targets, 0.5, 0.5) * targets.amax((1, 2, 3))


def ohem(logits: Tensor, targets: Tensor, sure: float = 0.7, least: float = 1 / 16) -> Tensor:
    """Mean cross entropy of the hard pixels (Shrivastava et al. 2016): those whose true class has a probability below
    `sure`, and at least the hardest share `least`."""
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").flatten(1)
    hardest = entropy.sort(dim=1, descending=True).values
    rank = torch.arange(hardest.shape[1], device=hardest.device)
    kept = (hardest > -math.log(sure)) | (rank < max(1, int(least * hardest.shape[1])))
    return (hardest * kept).sum(1) / kept.sum(1)


def focal_tversky(logits: Tensor, targets: Tensor, gamma: float = 2.0, alpha: float = 0.75) -> Tensor:
    """Focal loss (Lin et al. 2017, eq. 5) plus, where there is a defect, 1 - Tversky index with misses weighing 0.7 and
    false alarms 0.3 (Salehi et al. 2017): finds more of faint defects, at the price of some false alarms."""
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    focal = (weight * (1 - torch.exp(-entropy)).pow(gamma) * entropy).mean((1, 2, 3))
    return focal + _overlap_loss(logits, targets, 0.7, 0.3) * targets.amax((1, 2, 3))


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce_dice": bce_dice,
    "ohem": ohem,
    "focal_tversky": focal_tversky,
}


def _overlap_loss(logits: Tensor, targets: Tensor, misses: float, alarms: float) -> Tensor:
    """1 - hits / (hits + misses' weight * misses + alarms' weight * false alarms), of probabilities; (B,)."""
    found = torch.sigmoid(logits)
    hits = (found * targets).sum((1, 2, 3))
    missed = ((1 - found) * targets).sum((1, 2, 3))
    wrong = (found * (1 - targets)).sum((1, 2, 3))
    return 1 - (hits + _EPS) / (hits + misses * missed + alarms * wrong + _EPS)
