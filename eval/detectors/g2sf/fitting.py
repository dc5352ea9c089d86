"""The training of the metric: on cells of pseudo-anomalies and the rows of the banks nearest to them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from eval.detectors.best_weights import Course, seeded, train
from eval.detectors.g2sf import losses
from eval.detectors.g2sf.metric import Measured, Metric, distances, jittered, typical_distances
from synth.errors import EvalError

LAMBDAS = {"mar": 10.0, "sc": 3.0, "cma": 20.0, "cns": 40.0, "l1": 5e-4}
"""Weights of the losses beside L_sep, of the released configuration. [R]"""
SHARE_RATE = 5e-3
"""Learning rate of the shares of the modalities. [R]"""
DECAY = 1e-4
JITTER = 0.1
"""Cells and prototypes are moved by up to so much of the typical distance. [R]"""
LEAST_BATCH, BATCHES, DRAWN = 16, 20, 0.7
"""A batch has at most 0.7 / 20 of the cells to train on, but never fewer than 16. [R but for the 16]"""
MARGIN = 2.0
JUDGED = 4096
"""Cells that validate, at most."""


@dataclass(frozen=True)
class Banks:
    """Good rows of image (M1, C1) and point features (M2, C2)."""

    image: Tensor
    points: Tensor

    @property
    def widths(self) -> tuple[int, int]:
        return self.image.shape[1], self.points.shape[1]

    def prototypes(self, rows: Tensor) -> Tensor:
        """Rows (..., 2) of either bank side by side, (..., C1 + C2)."""
        return torch.cat([self.image[rows[..., 0]], self.points[rows[..., 1]]], dim=-1)


@dataclass(frozen=True)
class Mined:
    """Cells (N, C1 + C2) of pseudo-anomalies, which of them are anomalous (N,) bool, and the rows of the banks nearest
    to each by rank, (N, J, 2)."""

    cells: Tensor
    anomalous: Tensor
    rows: Tensor

    def part(self, chosen: Tensor) -> Mined:
        return Mined(self.cells[chosen], self.anomalous[chosen], self.rows[chosen])


def fitted(banks: Banks, mined: Mined, course: Course, rate: float, batch: int) -> Metric:
    """A metric, trained: half of the cells train, half validate by L_sep unweighted and 10 L_mar. EvalError where not
    both kinds of cells are there to train on."""
    order = torch.randperm(len(mined.cells), generator=torch.Generator().manual_seed(course.seed))
    training, judging = mined.part(order[::2]), mined.part(order[1::2][:JUDGED])
    kinds = [training.anomalous.nonzero()[:, 0], (~training.anomalous).nonzero()[:, 0]]
    if not all(map(len, kinds)):
        raise EvalError(
            "the pseudo-anomalies cover no cell with points, or all of them; make more composites or smaller cells"
        )
    nearest = distances(training.cells, banks.prototypes(training.rows[:, 0]), banks.widths)
    typical = typical_distances(nearest[kinds[1]])
    margin = MARGIN * max(float((nearest / typical)[kinds[0]].max()), losses.FIRM)
    metric: Metric = seeded(lambda: Metric(banks.widths, typical), course.seed)
    size = max(LEAST_BATCH, min(batch, int(DRAWN * len(training.cells) / BATCHES)))

    def loss() -> Tensor:
        drawn = [own[torch.randint(len(own), (size // 2,))] for own in kinds]
        return total_loss(metric, banks, training.part(torch.cat(drawn)[torch.randperm(2 * (size // 2))]), margin)

    def validated() -> Tensor:
        local = metric(judging.cells, banks.prototypes(judging.rows[:, 0])).local
        apart = losses.separation(local, judging.anomalous, margin, weighted=False)
        return apart + LAMBDAS["mar"] * losses.overlap(local, judging.anomalous)

    settings: dict[str, object] = {"rate": rate, "batch": size}
    data = [banks.image, banks.points, mined.cells, mined.anomalous]
    optimiser = torch.optim.Adam(
        [{"params": [*metric.scale.parameters()], "lr": rate}, {"params": [metric.balance], "lr": SHARE_RATE}],
        weight_decay=DECAY,
    )
    train(metric, optimiser, loss, course, data, settings, validated)
    return metric


def total_loss(metric: Metric, banks: Banks, batch: Mined, margin: float) -> Tensor:
    """L_sep + 10 L_mar + 3 L_sc + 20 L_cma + 40 L_cns + 5e-4 |W| of a batch."""
    reach = JITTER * metric.typical
    cells = jittered(batch.cells, metric.widths, reach)
    prototypes = jittered(banks.prototypes(batch.rows[:, 0]), metric.widths, reach)
    first = metric(cells, prototypes)
    foreign = metric(*losses.mismatched(cells, prototypes, metric.widths))
    parts = {
        "mar": losses.overlap(first.local, batch.anomalous),
        "sc": losses.scaling(first.factors, batch.anomalous),
        "cma": losses.mismatch(foreign.factors),
        "cns": losses.consistency(*ranked(metric, cells, first, banks.prototypes(batch.rows[:, 1:]))),
        "l1": torch.stack([weight.abs().sum() for weight in metric.scale.parameters() if weight.ndim == 2]).sum(),
    }
    weighted = torch.stack([LAMBDAS[name] * part for name, part in parts.items()])
    return losses.separation(first.local, batch.anomalous, margin) + weighted.sum()


def ranked(metric: Metric, cells: Tensor, first: Measured, others: Tensor) -> tuple[Tensor, Tensor]:
    """Distances l, and the means of the two plain ones, to the prototypes by rank, (N, J): those to the first, which
    are known, and to the others (N, J - 1, C)."""
    count = others.shape[1]
    found = metric(cells.repeat_interleave(count, 0), others.flatten(0, 1))
    local = torch.cat([first.local[:, None], found.local.unflatten(0, (-1, count))], 1)
    plain = torch.cat([first.plain.mean(1)[:, None], found.plain.mean(1).unflatten(0, (-1, count))], 1)
    return local, plain
