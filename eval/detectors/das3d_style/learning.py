"""The training: half of every batch are good scans, on the others a defect was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eval.detectors.cost import device
from eval.detectors.das3d_style.depth import Scan, scaled
from eval.detectors.das3d_style.drawing import DefectSource
from eval.detectors.das3d_style.losses import focal, reconstruction
from eval.detectors.das3d_style.network import Das3dNetwork
from eval.detectors.training import Descent, step_seed
from synth.sample import Sample

LOSSES = ("image", "depth", "mask")
_GOOD = 0.5
_LATE = ((0.8, 0.2), (0.9, 0.04))
"""Shares of the steps after which the rate is so much lower, as in DRAEM."""


@dataclass(frozen=True)
class Pairs:
    """A batch: what is seen, what would be good, (B, 3 or 1, H, W); where depth was measured in both, and the masks,
    (B, 1, H, W)."""

    image: Tensor
    depth: Tensor
    good_image: Tensor
    good_depth: Tensor
    valid: Tensor
    mask: Tensor

    def to(self, place: torch.device) -> Pairs:
        return Pairs(*(getattr(self, name).to(place) for name in self.__dataclass_fields__))


class Draws:
    """Batches of pairs; what row `row` of step `step` holds depends on them and the seed alone. good: samples at the
    size of the network; scans: the same as tensors; span: see `depth.scaled`."""

    def __init__(self, good: Sequence[Sample], span: float, source: DefectSource, batch: int, seed: int) -> None:
        self._good, self._span, self._source, self._batch, self._seed = good, span, source, batch, seed
        self._scans = [as_scan(sample) for sample in good]

    def batch(self, step: int) -> Pairs:
        rows = [self._row(np.random.default_rng([step_seed(self._seed, step), row])) for row in range(self._batch)]
        return Pairs(*(torch.stack(each) for each in zip(*rows, strict=True)))

    def _row(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        if rng.random() < _GOOD:
            which = int(rng.integers(len(self._good)))
            seen, mask = self._scans[which], torch.zeros(self._scans[which].depth.shape)
        else:
            which, drawn = self._source.draw(self._good, rng)
            seen, mask = as_scan(drawn), torch.from_numpy(drawn.mask).float()
        good, middle = self._scans[which], seen.middle
        depths = [scaled(one.depth, middle, self._span) for one in (seen, good)]
        valid = (seen.valid & good.valid).float()
        return seen.image, depths[0], good.image, depths[1], valid[None], mask[None]


def as_scan(sample: Sample) -> Scan:
    """A sample that has the network's size."""
    assert sample.image is not None
    assert sample.xyz is not None
    image = torch.from_numpy(sample.image).permute(2, 0, 1).float() / 255
    return Scan(image, torch.from_numpy(np.ascontiguousarray(sample.xyz[..., 2])))


class Learning:
    """The training of the networks: `descent` takes it down; `losses` (steps, 3) are those of its steps, by LOSSES."""

    def __init__(self, network: Das3dNetwork, draws: Draws, steps: int, rate: float, seed: int) -> None:
        self._network, self._draws, self._steps, self._rate = network.to(device()), draws, steps, rate
        self.losses = torch.full((steps, len(LOSSES)), torch.nan)
        self._optimiser = torch.optim.Adam(network.parameters(), lr=rate)
        self.descent = Descent(
            network, self._optimiser, self._loss, seed, before=self._set_rate, kept={"losses": self.losses}
        )

    def _loss(self, step: int, _rng: torch.Generator) -> Tensor:
        pairs = self._draws.batch(step).to(device())
        each = losses_of(self._network, pairs)
        self.losses[step] = each.detach()
        return each.sum()

    def _set_rate(self, step: int) -> None:
        lower = [factor for share, factor in _LATE if step >= share * self._steps]
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * (lower[-1] if lower else 1.0)


def losses_of(network: Das3dNetwork, pairs: Pairs) -> Tensor:
    """The means over a batch of LOSSES, (3,), which count alike."""
    made = network(pairs.image, pairs.depth)
    everywhere = torch.ones_like(pairs.valid)
    return torch.stack(
        [
            reconstruction(made.image, pairs.good_image, everywhere).mean(),
            reconstruction(made.depth, pairs.good_depth, pairs.valid).mean(),
            focal(made.logits, pairs.mask).mean(),
        ]
    )
