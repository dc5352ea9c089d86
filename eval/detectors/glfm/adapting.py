"""A network of points adapted to tell stretched points from others (GLFM, stage I)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from eval.detectors.glfm.features import Groups, grouped
from eval.detectors.glfm.stretching import Whole, stretched
from eval.detectors.training import Descent, descend, mark_of
from eval.features.point_grid import interpolation
from eval.features.point_mae import PointMae
from synth.generators import Progress

GAMMA, FOCAL_SMOOTH, DICE_SMOOTH = 2.0, 1e-5, 1.0
EPSILON = 1e-5
"""Of Adam. The bias before a batch norm has no gradient but rounding, which the usual 1e-8 would take for one."""


class Adapter(nn.Module):
    """A network of points and a linear head on its last block: one logit a class, good and stretched."""

    def __init__(self, backbone: PointMae) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.norm.weight.numel(), 2)

    def forward(self, groups: Groups) -> Tensor:
        """Logits (n, 2) of all points. The head is linear and the weights of a point sum to 1, so that it may come
        before the interpolation from centres to points."""
        logits = self.head(groups.levels(self.backbone, [len(self.backbone.blocks.blocks) - 1])[0])
        owners, weights = interpolation(groups.centres, groups.points)
        return (logits[owners] * weights[..., None].float()).sum(1)


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Focal loss (gamma 2) plus Dice of the stretched points' probability, as released: logits (n, 2), labels (n,)
    bool."""
    chance = logits.softmax(1)
    own = torch.where(labels, chance[:, 1], chance[:, 0]) + FOCAL_SMOOTH
    focal = (-((1 - own).clamp(min=0) ** GAMMA) * own.log()).mean()
    found, true = chance[:, 1], labels.to(chance.dtype)
    dice = 1 - (2 * (found * true).sum() + DICE_SMOOTH) / (found.sum() + true.sum() + DICE_SMOOTH)
    return focal + dice


def adapt(
    adapter: Adapter,
    clouds: Sequence[Whole],
    groups: tuple[int, int],
    height: tuple[float, float],
    compat: bool,
    steps: int,
    learning_rate: float,
    seed: int,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Train all weights in place, a newly stretched cloud at each step; groups: their number and size."""

    def loss(step: int, rng: torch.Generator) -> Tensor:
        chosen = int(torch.randint(len(clouds), (), generator=rng))
        drawn = int(torch.randint(2**62, (), generator=rng))
        points, labels = stretched(clouds[chosen], height, np.random.default_rng(drawn), compat)
        return segmentation_loss(adapter(grouped(points, *groups)), labels)

    settings = {"groups": groups, "height": height, "compat": compat, "steps": steps, "rate": learning_rate}
    mark = mark_of(settings | {"seed": seed}, adapter, [torch.from_numpy(one.points) for one in clouds])
    training = Descent(adapter, torch.optim.Adam(adapter.parameters(), learning_rate, eps=EPSILON), loss, seed)
    descend(training, steps, "glfm", mark, folder, progress)
    adapter.eval()
