"""G2SF as a detector: two banks of good cells, and a metric trained on pseudo-anomalies made of good samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

from eval.detectors.best_weights import Course
from eval.detectors.config import MultimodalConfig
from eval.detectors.detector import Detector, Judged
from eval.detectors.encoding import BATCH, Encoded
from eval.detectors.g2sf.composites import Warp
from eval.detectors.g2sf.defective import drawn, published
from eval.detectors.g2sf.fitting import Banks, Mined, fitted
from eval.detectors.g2sf.metric import Metric, aggregated
from eval.detectors.grids import CELL, grid_of, image_cells, point_cells
from eval.detectors.smoothing import smoothed
from eval.features.coreset import coreset
from eval.features.neighbours import nearest
from synth.dual.spec import TypeName
from synth.errors import EvalError
from synth.sample import Sample

PROJECTED = 334
"""Dimensions in which the coreset is chosen: those of the released code for a class of MVTec 3D-AD. [R]"""
_BANK, _THINNED = 2, 3
"""Purposes of draws."""


class G2SFConfig(MultimodalConfig):
    """share, most, candidates, cell, sigma: as in PatchCore. composites: pseudo-anomalies made; cells: normal cells of
    theirs that are kept; synthesizer: the published scheme, with `warp`, or "dual", which draws `defects` of
    `synth.dual`. anchors: prototypes beside the nearest that a cell is scored by, of which `score` takes one or the
    mean; ranks: those that L_cns compares in training. standardised: features brought to mean 0 and deviation 1 by one
    pair of numbers a modality, "image" alone as published (points from a network that normalises)."""

    modality: Literal["image+xyz"] = "image+xyz"
    cell: int = Field(CELL, ge=1)
    share: float = Field(0.1, gt=0, le=1)
    most: int = Field(2048, ge=1)
    candidates: int = Field(50_000, ge=1)
    standardised: Literal["both", "image"] = "both"
    composites: int = Field(100, ge=1)
    cells: int = Field(20_000, ge=1)
    synthesizer: Literal["published", "dual"] = "published"
    warp: Warp = Warp()
    defects: tuple[TypeName, ...] = ("dent", "bulge", "scratch", "stain")
    steps: int = Field(400, ge=0)
    batch: int = Field(256, ge=16)
    rate: float = Field(1.5e-4, gt=0)
    ranks: int = Field(10, ge=0)
    anchors: int = Field(5, ge=0)
    score: Literal["min", "first", "max", "mean"] = "min"
    sigma: float = Field(4.0, ge=0)


class G2SF(Detector):
    """Distances to the nearest good cells of image and of shape, scaled by learnt factors and added."""

    name = "g2sf"
    Config = G2SFConfig
    config: G2SFConfig

    def _learn_from(self, samples: Sequence[Sample]) -> None:
        super()._learn_from(samples)
        self._metric = fitted(
            self._banks,
            self._mined(samples),
            Course("g2sf", self.config.steps, self.config.seed, self.folder, self.progress),
            self.config.rate,
            self.config.batch,
        )

    def _learn(self, batches: Iterator[Encoded]) -> None:
        """The banks: of the image all cells, of the shape those with points."""
        found = [(image.flatten(0, 2), points[valid]) for image, points, valid in map(self._parts, batches)]
        rows = [torch.cat(parts) for parts in zip(*found, strict=True)]
        if not len(rows[1]):
            raise EvalError("no cell of the good samples has a point; the clouds are too sparse for this grid")
        statistics = [torch.stack([part.mean(), part.std().clamp(min=1e-12)]) for part in rows]
        if self.config.standardised == "image":
            statistics[1] = torch.tensor([0.0, 1.0])
        self._statistics = torch.stack(statistics)
        self._banks = Banks(*(self._thinned(part, k) for k, part in enumerate(rows)))

    def _judge(self, encoded: Encoded) -> Judged:
        image, points, valid = self._parts(encoded)
        image, points = self._standardised(image, 0), self._standardised(points, 1)
        count = self.config.anchors + 1
        away, image_rows = nearest(image.flatten(0, 2), self._banks.image, count)
        # A cell without points has no direction to look up: w = 1, and its image alone counts.
        shares = self._metric.shares
        maps = (shares[0] * away[:, 0] / self._metric.typical[0]).reshape(valid.shape)
        _, point_rows = nearest(points[valid], self._banks.points, count)
        rows = _paired(image_rows[valid.flatten()], point_rows)
        cells = torch.cat([image[valid], points[valid]], dim=1)
        local = [self._metric(cells, self._banks.prototypes(rows[:, rank])).local for rank in range(rows.shape[1])]
        maps[valid] = aggregated(torch.stack(local, dim=1), self.config.score)
        return Judged(maps.flatten(1).amax(1), smoothed(maps, self.config.sigma / self.config.cell))

    @property
    def operations(self) -> float:
        rows, columns = grid_of(self.encoder.size, self.config.cell)
        weights = sum(weight.numel() for weight in self._metric.scale.parameters())
        bank = self._banks.image.numel() + self._banks.points.numel()
        return float(rows * columns * (bank + (self.config.anchors + 1) * weights))

    def state(self) -> dict[str, Tensor]:
        banks = {"image": self._banks.image, "points": self._banks.points, "statistics": self._statistics}
        return banks | {f"metric.{name}": value for name, value in self._metric.state_dict().items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._banks, self._statistics = Banks(state["image"], state["points"]), state["statistics"]
        self._metric = Metric(self._banks.widths, torch.ones(2))
        self._metric.load_state_dict(
            {name.removeprefix("metric."): value for name, value in state.items() if name.startswith("metric.")}
        )
        self._metric.eval().requires_grad_(False)

    def _parts(self, encoded: Encoded) -> tuple[Tensor, Tensor, Tensor]:
        """Image features (B, h, w, C1), point features (B, h, w, C2), and where there are points (B, h, w) bool."""
        assert encoded.maps is not None
        grid = grid_of(encoded.size, self.config.cell)
        points, valid = point_cells(encoded, grid)
        return image_cells(encoded.maps.levels, grid, 1).movedim(1, -1), points.movedim(1, -1), valid

    def _standardised(self, rows: Tensor, modality: int) -> Tensor:
        mean, deviation = self._statistics[modality]
        return (rows - mean) / deviation

    def _thinned(self, rows: Tensor, modality: int) -> Tensor:
        rows = self._standardised(rows, modality)
        count = max(1, min(self.config.most, round(self.config.share * len(rows))))
        order = torch.randperm(len(rows), generator=_generator(self.config.seed, _BANK, modality))
        rows = rows[order[: max(count, self.config.candidates)].sort().values]
        return rows[coreset(rows, count, self.config.seed, PROJECTED)]

    def _mined(self, samples: Sequence[Sample]) -> Mined:
        """Cells of pseudo-anomalies: all anomalous ones, and as many normal ones of each."""
        config, size = self.config, self.encoder.size
        if config.synthesizer == "dual":
            made = list(drawn(samples, config.composites, config.defects, config.seed))
        else:
            made = list(published(samples, size, config.composites, config.warp, config.seed))
        if not made:
            raise EvalError("no pseudo-anomaly fits onto the good samples: their parts are too small or have no points")
        cells, anomalous, kept = [], [], max(1, config.cells // len(made))
        for number, encoded in enumerate(self.encoder.batches(made)):
            masks = [sample.mask for sample in made[number * BATCH : (number + 1) * BATCH]]
            image, points, valid = self._parts(encoded)
            features = torch.cat([self._standardised(image, 0), self._standardised(points, 1)], dim=-1)
            for k, mask in enumerate(masks):
                assert mask is not None
                labels = adaptive_max_pool2d(torch.from_numpy(mask)[None].float(), tuple(valid.shape[1:]))[0] > 0
                normal = (valid[k] & ~labels).nonzero()
                order = torch.randperm(len(normal), generator=_generator(config.seed, _THINNED, number, k))
                chosen = torch.cat([(valid[k] & labels).nonzero(), normal[order[:kept]]])
                cells.append(features[k][chosen[:, 0], chosen[:, 1]])
                anomalous.append(labels[chosen[:, 0], chosen[:, 1]])
        return self._near(torch.cat(cells), torch.cat(anomalous))

    def _near(self, cells: Tensor, anomalous: Tensor) -> Mined:
        parts = cells.split(self._banks.widths, dim=1)
        banks, count = (self._banks.image, self._banks.points), self.config.ranks + 1
        rows = [nearest(part, bank, count)[1] for part, bank in zip(parts, banks, strict=True)]
        return Mined(cells, anomalous, _paired(*rows))


def _paired(image_rows: Tensor, point_rows: Tensor) -> Tensor:
    """Rows (N, J1) and (N, J2) by rank, (N, min(J1, J2), 2)."""
    count = min(image_rows.shape[1], point_rows.shape[1])
    return torch.stack([image_rows[:, :count], point_rows[:, :count]], dim=-1)


def _generator(*seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
