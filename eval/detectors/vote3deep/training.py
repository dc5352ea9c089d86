"""Training on cells: hinge loss, few negatives at first, the hardest of the others added as it goes (Engelcke et al.
2016, section V)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from eval.detectors.training import step_seed
from eval.detectors.vote3deep.network import Passed, Vote3DeepNetwork
from eval.detectors.vote3deep.voxels import Voxels
from synth.errors import EvalError


@dataclass(frozen=True)
class Labelled:
    """A cloud in cells: which are defect (N,) bool and which clean (N,) bool; those that a defect just touches are
    neither."""

    voxels: Voxels
    defect: Tensor
    clean: Tensor


def labelled(voxels: Voxels, labels: Tensor, share: float) -> Labelled:
    """labels (n,) bool of the points; share: of a cell's points that lie on a defect where it is one."""
    total = torch.bincount(voxels.owner, minlength=len(voxels.coords))
    harmed = torch.bincount(voxels.owner, labels.double(), minlength=len(voxels.coords))
    return Labelled(voxels, harmed >= share * total, harmed == 0)


def scale_of(clouds: Sequence[Labelled]) -> Tensor:
    """Root mean square of every feature (C,): what features are divided by. A mean is not taken off, since an empty
    cell has to stay 0."""
    features = torch.cat([one.voxels.features for one in clouds])
    return features.square().mean(0).sqrt().clamp(min=1e-6)


def first_negatives(clouds: Sequence[Labelled], seed: int) -> list[Tensor]:
    """Clean cells to begin with, (N,) bool for each cloud: as many as it has defect cells, drawn at random; in clouds
    without any, as many as the others have on average. EvalError where no cell is a defect."""
    counts = [int(one.defect.sum()) for one in clouds]
    if not any(counts):
        raise EvalError("no cell of these clouds lies on a defect; take smaller voxels, or samples of larger defects")
    usual = max(1, sum(counts) // sum(count > 0 for count in counts))
    found = []
    for number, (one, count) in enumerate(zip(clouds, counts, strict=True)):
        order = torch.randperm(len(one.clean), generator=torch.Generator().manual_seed(step_seed(seed, -1 - number)))
        chosen = order[one.clean[order]][: count or usual]
        found.append(torch.zeros_like(one.clean).index_fill(0, chosen, True))
    return found


def hinge(passed: Passed, one: Labelled, negatives: Tensor, sparsity: float) -> Tensor:
    """Mean of max(0, 1 - y s) over defect cells and over the chosen clean ones, both alike, and `sparsity` times the
    sum of all hidden features over the number of the input's cells (the paper leaves the norm open)."""
    parts = [
        torch.relu(1 - sign * passed.scores[where]).mean()
        for sign, where in ((1, one.defect), (-1, negatives))
        if bool(where.any())
    ]
    return torch.stack(parts).mean() + sparsity * passed.magnitude / len(passed.scores)


@torch.no_grad()
def mine(network: Vote3DeepNetwork, clouds: Sequence[Labelled], negatives: Sequence[Tensor], most: int) -> int:
    """Add the clean cells that score highest of those above 0 to the negatives, in place, `most` over all clouds; how
    many there were."""
    found = []
    for number, one in enumerate(clouds):
        scores = network(one.voxels.coords, one.voxels.dims, one.voxels.features).scores
        wrong = (one.clean & ~negatives[number] & (scores > 0)).nonzero()[:, 0]
        found.append(torch.stack([scores[wrong].double(), torch.full_like(wrong, number).double(), wrong.double()], 1))
    every = torch.cat(found)
    hardest = every[every[:, 0].sort(descending=True, stable=True).indices[:most]]
    for number, negative in enumerate(negatives):
        negative[hardest[hardest[:, 1] == number, 2].long()] = True
    return len(hardest)
