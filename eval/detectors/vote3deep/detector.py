"""Vote3Deep (Engelcke et al. 2017, arXiv 1609.06666, "Vote3Deep: fast object detection in 3D point clouds"),
re-implemented from the paper and turned into a localiser of defects.

The paper finds cars, all of one size, by a window; a defect has any shape and is much smaller than the part, so here
every occupied cell gets a score, and regions are cells above a threshold that touch. It is no detector of the
unexpected: it learns from labelled defects, and finds what they taught. The organised or unorganised cloud is taken in
the pose that it has; so is the paper's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from eval.detectors.config import DetectorConfig
from eval.detectors.detector import Detector, Judged
from eval.detectors.encoding import Encoded, Shape
from eval.detectors.training import Descent, descend, mark_of
from eval.detectors.vote3deep.boxes import Region, components, suppressed
from eval.detectors.vote3deep.network import Architecture, Cost, Passed, Vote3DeepNetwork
from eval.detectors.vote3deep.training import Labelled, first_negatives, hinge, labelled, mine, scale_of
from eval.detectors.vote3deep.voxels import Voxels, voxel_side, voxelise
from eval.features.point_network import plain_points
from synth.errors import EvalError
from synth.sample import Sample


class Vote3DeepConfig(DetectorConfig):
    """architecture, width, last: the paper's name of the hidden layers, their channels, and the side of the last kernel
    in cells. voxel_mm: side of a cell, by the spacing of the points if None. share: of a cell's points on a defect that
    make it one. steps: of a cloud each; mine_every: steps between looks for the hardest clean cells, ten rounds of all
    clouds if None, `mined` of them at most. sparsity: L1. kept_back: share of the good clouds that set the threshold
    of regions, at which `false_alarms` of their cells lie in one. score: of a sample, its highest cell, or the most
    that the cells of one region lie above the threshold by in all. overlap: volume IoU at which the lesser goes."""

    points: Literal["voxels"] = "voxels"
    architecture: Architecture = "D"
    width: int = Field(16, ge=1)
    last: int = Field(5, ge=1)
    voxel_mm: float | None = Field(None, gt=0)
    share: float = Field(0.3, gt=0, le=1)
    steps: int = Field(600, ge=1)
    learning_rate: float = Field(0.01, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    sparsity: float = Field(1e-3, ge=0)
    mine_every: int | None = Field(None, ge=1)
    mined: int = Field(10_000, ge=0)
    kept_back: float = Field(0.2, ge=0, lt=1)
    false_alarms: float = Field(0.01, gt=0, lt=1)
    score: Literal["max", "sum"] = "max"
    overlap: float = Field(0.1, ge=0, le=1)

    @field_validator("last")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("an odd number, so that the kernel has a middle")
        return value

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset({"xyz"})


class Vote3Deep(Detector):
    """Labelled defects teach which cells of a cloud are defect."""

    name = "vote3deep"
    Config = Vote3DeepConfig
    config: Vote3DeepConfig
    learns_from_defects = True
    takes_clouds = True

    def _networks(self) -> tuple[Any, Any]:
        return None, plain_points()

    def _learn(self, batches: Iterator[Encoded]) -> None:
        self.network = self._new_network()
        shapes = [pair for encoded in batches for pair in zip(encoded.ids, _shapes(encoded), strict=True)]
        unlabelled = next((name for name, shape in shapes if shape.labels is None), None)
        if unlabelled is not None:
            raise EvalError(f"{unlabelled} has a defect and no mask of it; leave it out")
        self._side = self._voxel_side([shape.points for _, shape in shapes])
        clouds = [self._cells(shape) for _, shape in shapes]
        good = [one for one in clouds if not bool((~one.clean).any())]
        kept = good[: int(self.config.kept_back * len(good))]
        taught = good[len(kept) :] + [one for one in clouds if bool((~one.clean).any())]
        self.network.scale.copy_(scale_of(taught))
        self._train(taught)
        scores = torch.cat([self._pass(one.voxels).scores for one in kept or good])
        self._threshold = float(np.quantile(scores.double().numpy(), 1 - self.config.false_alarms))
        costs = [self._pass(one.voxels).costs for one in taught]
        self._multiplications = sum(cost.multiplications for each in costs for cost in each) / len(costs)

    def _train(self, clouds: Sequence[Labelled]) -> None:
        config, network = self.config, self.network
        optimiser = torch.optim.SGD(
            network.parameters(), config.learning_rate, momentum=0.9, weight_decay=config.weight_decay
        )
        negatives = first_negatives(clouds, config.seed)
        between = config.mine_every or 10 * len(clouds)
        data = [part for one in clouds for part in (one.voxels.coords, one.voxels.features, one.defect, one.clean)]
        mark = mark_of(config.model_dump(mode="json"), network, data)

        def loss(step: int, rng: torch.Generator) -> Tensor:
            chosen = int(torch.randint(len(clouds), (), generator=rng))
            one = clouds[chosen]
            passed = network(one.voxels.coords, one.voxels.dims, one.voxels.features)
            return hinge(passed, one, negatives[chosen], config.sparsity)

        def after(step: int) -> None:
            network.clamp()
            if (step + 1) % between == 0:
                mine(network, clouds, negatives, config.mined)

        kept = {f"negatives/{number}": one for number, one in enumerate(negatives)}
        training = Descent(network, optimiser, loss, config.seed, after=after, kept=kept)
        descend(training, config.steps, self.name, mark, self.folder, self.progress)
        network.eval()

    def _judge(self, encoded: Encoded) -> Judged:
        scores, maps, numbers = [], [], []
        for shape in _shapes(encoded):
            voxels = self._voxels(shape)
            cells = self._pass(voxels).scores
            found = self._regions(voxels, cells)
            scores.append(self._score(cells, found))
            numbers.append(float(len(found)))
            maps.append(_mapped(shape, cells[voxels.owner], encoded.size))
        return Judged(torch.tensor(scores), maps, {"regions": torch.tensor(numbers)})

    def regions(self, samples: Sequence[Sample]) -> list[list[Region]]:
        """The boxes of each sample's defects, the most certain first."""
        found = []
        for encoded in self.encoder.batches(samples):
            for shape in _shapes(encoded):
                voxels = self._voxels(shape)
                found.append(self._regions(voxels, self._pass(voxels).scores))
        return found

    def costs(self, samples: Sequence[Sample]) -> list[list[Cost]]:
        """What each layer took in, gave and multiplied, for each sample."""
        return [
            self._pass(self._voxels(shape)).costs
            for encoded in self.encoder.batches(samples)
            for shape in _shapes(encoded)
        ]

    def _regions(self, voxels: Voxels, cells: Tensor) -> list[Region]:
        above = cells > self._threshold
        coords, over = voxels.coords[above], (cells[above] - self._threshold).double()
        number = components(coords, voxels.dims)
        count = int(number.max()) + 1 if len(number) else 0
        low = torch.full((count, 3), torch.iinfo(torch.int64).max).scatter_reduce(0, _thrice(number), coords, "amin")
        high = torch.zeros(count, 3, dtype=torch.int64).scatter_reduce(0, _thrice(number), coords + 1, "amax")
        score = torch.zeros(count, dtype=torch.float64)
        score = score.scatter_reduce(0, number, over, "amax" if self.config.score == "max" else "sum")
        boxes = torch.cat([low, high], 1) * voxels.side + voxels.origin.double().repeat(2)
        size = torch.bincount(number, minlength=count)
        kept = suppressed(boxes, score, self.config.overlap)
        return [Region(_corner(boxes[k, :3]), _corner(boxes[k, 3:]), float(score[k]), int(size[k])) for k in kept]

    def _score(self, cells: Tensor, found: Sequence[Region]) -> float:
        return max((one.score for one in found), default=float(cells.max()) - self._threshold)

    @torch.no_grad()
    def _pass(self, voxels: Voxels) -> Passed:
        passed: Passed = self.network(voxels.coords, voxels.dims, voxels.features)
        return passed

    def _voxels(self, shape: Shape) -> Voxels:
        return voxelise(shape.points, self._side, self.network.margin)

    def _cells(self, shape: Shape) -> Labelled:
        assert shape.labels is not None
        return labelled(self._voxels(shape), shape.labels, self.config.share)

    def _voxel_side(self, clouds: Sequence[Tensor]) -> float:
        if self.config.voxel_mm is not None:
            return self.config.voxel_mm / 1000
        return float(torch.tensor([voxel_side(points) for points in clouds]).median())

    def _new_network(self) -> Vote3DeepNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return Vote3DeepNetwork(self.config.architecture, self.config.width, self.config.last)

    @property
    def operations(self) -> float:
        return self._multiplications

    def state(self) -> dict[str, Tensor]:
        numbers = torch.tensor([self._side, self._threshold, self._multiplications], dtype=torch.float64)
        return {f"network.{name}": value for name, value in self.network.state_dict().items()} | {"numbers": numbers}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._side, self._threshold, self._multiplications = state["numbers"].tolist()
        own = {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}
        self.network = self._new_network()
        self.network.load_state_dict(own)
        self.network.eval()


def _shapes(encoded: Encoded) -> list[Shape]:
    assert encoded.shapes is not None
    return encoded.shapes


def _corner(place: Tensor) -> tuple[float, float, float]:
    x, y, z = place.tolist()
    return x, y, z


def _thrice(number: Tensor) -> Tensor:
    return number[:, None].expand(-1, 3)


def _mapped(shape: Shape, scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Scores (n,) of points as a map (h, w), of unorganised ones as one row; the lowest where there is no point."""
    if not shape.organised:
        return scores[None]
    found = torch.full(size, float(scores.min()))
    found[shape.place[:, 0], shape.place[:, 1]] = scores
    return found
