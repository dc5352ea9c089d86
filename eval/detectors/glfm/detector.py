"""GLFM (Cheng et al. 2025, arXiv 2505.07375, "Boosting global-local feature matching via anomaly synthesis for
multi-class point cloud anomaly detection"); follows the released code, mended where it fails.

A network of points is adapted to find stretched regions of good clouds; the features of its first blocks then describe
the groups of a cloud, and their mean the cloud. The mean chooses one of several memories of good groups, so that what
is normal for another product stays an anomaly, and the distance to the nearest group in it is the score.

The paper starts from Point-MAE; without its checkpoint the same kind of network, small, is trained from nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from eval.detectors.config import DetectorConfig
from eval.detectors.detector import Detector, Judged
from eval.detectors.encoding import Encoded, Shape
from eval.detectors.glfm.adapting import Adapter, adapt
from eval.detectors.glfm.banks import Banks, Centres, build
from eval.detectors.glfm.features import grouped, local_features
from eval.detectors.glfm.stretching import Whole, prepared
from eval.detectors.smoothing import smoothed
from eval.features.point_grid import interpolation
from eval.features.point_mae import PointMae, open_point_mae
from eval.features.point_network import plain_points
from eval.features.surface import thinned_rows

SMALL = "small"
WIDTH, DEPTH, WIDE = 64, 3, 128
"""Channels and blocks of the small network, and channels of its tokeniser."""
_PREFIX = "point_mae:"
_FROM_NOTHING, _FROM_A_CHECKPOINT = 1e-3, 1e-4


class GLFMConfig(DetectorConfig):
    """points: "small", trained from nothing, or point_mae:FILE, a checkpoint to begin with. groups, size: of a cloud
    and of each, 1024 and 128 as published; voxel_mm: clouds are thinned to one point a voxel, not at all if None.
    steps: of a newly stretched cloud each, 0 to leave the network as it is; height: of the stretching, over the
    distance between points and the root of their number; published_stretch: heights as released, for metres. blocks:
    whose outputs are compared. banks: memories of kinds of clouds, the number of products if None; centres: how kinds
    are found; share: of each memory that is kept; candidates: rows of all clouds that it is chosen from. sigma: of the
    smoothing of organised clouds, px of the resized image. score: of an unorganised cloud, the mean of its points' as
    published, or the highest, which a small defect moves more."""

    points: str = SMALL
    groups: int = Field(256, ge=4)
    size: int = Field(32, ge=4)
    voxel_mm: float | None = Field(None, gt=0)
    steps: int = Field(400, ge=0)
    learning_rate: float | None = Field(None, gt=0)
    height: tuple[float, float] = (0.3, 0.9)
    published_stretch: bool = False
    blocks: tuple[int, ...] = (0, 1)
    banks: int | None = Field(None, ge=1)
    centres: Centres = "kcenter"
    share: float = Field(0.1, gt=0, le=1)
    candidates: int = Field(200_000, ge=1)
    sigma: float = Field(4.0, ge=0)
    score: Literal["mean", "max"] = "mean"

    @field_validator("points")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value != SMALL and not value.removeprefix(_PREFIX) < value:
            raise ValueError(f"{SMALL!r} or {_PREFIX}FILE")
        return value

    @field_validator("height")
    @classmethod
    def _rises(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("two numbers above 0, the smaller one first")
        return value

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset({"xyz"})


class GLFM(Detector):
    """An adapted network, and a memory of groups for each kind of cloud."""

    name = "glfm"
    Config = GLFMConfig
    config: GLFMConfig
    takes_clouds = True

    def _networks(self) -> tuple[Any, Any]:
        return None, plain_points()

    def _learn(self, batches: Iterator[Encoded]) -> None:
        config, clouds, products = self.config, [], set()
        self._backbone = self._new_backbone()
        for encoded in batches:
            products |= {*encoded.products}
            clouds += [(self._thinned(shape.points), shape.organised) for shape in encoded.shapes or []]
        if config.steps:
            self._adapt([prepared(points, organised) for points, organised in clouds])
        local = [self._local(points) for points, _ in clouds]
        most = max(1, config.candidates // len(local))
        self._banks = build(
            [_some(one, most, config.seed + number) for number, one in enumerate(local)],
            config.banks or len(products),
            config.share,
            config.seed,
            config.centres,
        )

    def _adapt(self, clouds: list[Whole]) -> None:
        config = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            adapter = Adapter(self._backbone)
        usual = _FROM_NOTHING if config.points == SMALL else _FROM_A_CHECKPOINT
        adapt(
            adapter,
            clouds,
            (config.groups, config.size),
            config.height,
            config.published_stretch,
            config.steps,
            config.learning_rate or usual,
            config.seed,
            self.folder,
            self.progress,
        )

    def _judge(self, encoded: Encoded) -> Judged:
        scores, maps, routed = [], [], []
        for shape in encoded.shapes or []:
            score, found, bank = self._score(shape, encoded.size)
            scores.append(score)
            maps.append(found)
            routed.append(float(bank))
        return Judged(torch.stack(scores), maps, {"bank": torch.tensor(routed)})

    def _score(self, shape: Shape, size: tuple[int, int]) -> tuple[Tensor, Tensor, int]:
        """Score, map and memory: of an organised cloud the smoothed map and its maximum, of another the points' scores
        as they are and their mean or maximum."""
        points = self._thinned(shape.points)
        groups = grouped(points, self.config.groups, self.config.size)
        local = self._local(points)
        bank = self._banks.route(local)
        owners, weights = interpolation(points[groups.index], shape.points)
        found = (self._banks.scores(local, bank)[owners] * weights).sum(1).float()
        if not shape.organised:
            return found.mean() if self.config.score == "mean" else found.max(), found[None], bank
        grid = torch.zeros(size)
        grid[shape.place[:, 0], shape.place[:, 1]] = found
        grid = smoothed(grid[None], self.config.sigma)[0]
        return grid.max(), grid, bank

    @torch.no_grad()
    def _local(self, points: Tensor) -> Tensor:
        groups = grouped(points, self.config.groups, self.config.size)
        return local_features(groups, groups.levels(self._backbone, self.config.blocks))

    def _thinned(self, points: Tensor) -> Tensor:
        if self.config.voxel_mm is None:
            return points
        return points[torch.from_numpy(thinned_rows(points.double().numpy(), self.config.voxel_mm / 1000))]

    def _new_backbone(self) -> PointMae:
        if self.config.points != SMALL:
            return open_point_mae(Path(self.config.points.removeprefix(_PREFIX))).eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return PointMae(WIDTH, DEPTH, WIDE).eval()

    @property
    def operations(self) -> float:
        return float(self.config.groups * self._banks.rows.numel() / len(self._banks.centres))

    def state(self) -> dict[str, Tensor]:
        network = {f"network.{name}": value for name, value in self._backbone.state_dict().items()}
        banks = self._banks
        return network | {"centres": banks.centres, "rows": banks.rows, "start": banks.start}

    def restore(self, state: dict[str, Tensor]) -> None:
        own = {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}
        depth = len({found[1] for found in (re.match(r"blocks\.blocks\.(\d+)\.", name) for name in own) if found})
        width, wide = own["encoder.second_conv.3.weight"].shape[:2]
        self._backbone = PointMae(width, depth, wide).eval()
        self._backbone.load_state_dict(own)
        self._banks = Banks(state["centres"], state["rows"], state["start"])


def _some(rows: Tensor, most: int, seed: int) -> Tensor:
    """At most so many of the rows, drawn at random."""
    if len(rows) <= most:
        return rows
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:most].sort().values]
