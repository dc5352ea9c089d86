"""PatchCore (Roth et al. 2022, "Towards total recall in industrial anomaly detection"): the distance of every cell's
features to the nearest in a memory of good ones, thinned to a coreset.

With organised clouds it is BTF (Horwitz and Hoshen 2023, "Back to the feature"): features of the shape beside those of
the image in the same cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from eval.detectors.config import MultimodalConfig
from eval.detectors.detector import Detector, Judged
from eval.detectors.encoding import Encoded
from eval.detectors.grids import CELL, grid_of, image_cells, point_cells
from eval.detectors.smoothing import smoothed
from eval.features.coreset import coreset
from eval.features.neighbours import nearest
from synth.errors import EvalError

_PROJECTED = 128
"""Dimensions in which the coreset is chosen, as in the published code."""


class PatchCoreConfig(MultimodalConfig):
    """share, most: the coreset's size, as a share of all cells and in rows; candidates: cells that it is chosen from,
    drawn at random where there are more. score: of an image, the largest distance
    ("max") or that distance weighted by how well its neighbours know it ("reweighted", the paper's equation 7, with
    `neighbours`). sigma: of the smoothing, in px of the resized image."""

    share: float = Field(0.1, gt=0, le=1)
    most: int = Field(2048, ge=1)
    candidates: int = Field(50_000, ge=1)
    cell: int = Field(CELL, ge=1)
    score: Literal["max", "reweighted"] = "max"
    neighbours: int = Field(9, ge=2)
    sigma: float = Field(4.0, ge=0)


class PatchCore(Detector):
    """A memory of good cells."""

    name = "patchcore"
    Config = PatchCoreConfig
    config: PatchCoreConfig

    def _learn(self, batches: Iterator[Encoded]) -> None:
        found = [[part[valid] for part in parts] for parts, valid in map(self._parts, batches)]
        modalities = [torch.cat(rows) for rows in zip(*found, strict=True)]
        if not len(modalities[0]):
            raise EvalError("no cell of the good samples has a point; the clouds are too sparse for this grid")
        # One modality needs no weight; of two, each shall count alike.
        alone = len(modalities) == 1
        self._spread = torch.ones(1) if alone else torch.stack([_radius(rows) for rows in modalities])
        cells = self._joined(modalities)
        count = max(1, min(self.config.most, round(self.config.share * len(cells))))
        drawn = torch.randperm(len(cells), generator=torch.Generator().manual_seed(self.config.seed))
        cells = cells[drawn[: max(count, self.config.candidates)].sort().values]
        self._bank = cells[coreset(cells, count, self.config.seed, _PROJECTED)]

    def _judge(self, encoded: Encoded) -> Judged:
        parts, valid = self._parts(encoded)
        cells = self._joined(parts)
        distances, nearest_rows = nearest(cells[valid], self._bank, 1)
        maps, rows = torch.zeros(valid.shape), torch.zeros(valid.shape, dtype=torch.long)
        maps[valid], rows[valid] = distances[:, 0], nearest_rows[:, 0]
        score, place = maps.flatten(1).max(1)
        if self.config.score == "reweighted":
            worst = cells.flatten(1, 2)[torch.arange(len(cells)), place]
            score = score * self._weight(worst, score, rows.flatten(1).gather(1, place[:, None])[:, 0])
        return Judged(score, smoothed(maps, self.config.sigma / self.config.cell))

    def _weight(self, worst: Tensor, distance: Tensor, row: Tensor) -> Tensor:
        """1 - exp(d) / sum of exp over the memory's neighbours of the nearest row, distances over sqrt(C): (B,)."""
        _, around = nearest(self._bank[row], self._bank, self.config.neighbours)
        scale = worst.shape[1] ** 0.5
        all_distances = torch.linalg.vector_norm(self._bank[around] - worst[:, None], dim=2)
        return 1 - torch.exp(distance / scale - torch.logsumexp(all_distances / scale, dim=1))

    @property
    def operations(self) -> float:
        rows, columns = grid_of(self.encoder.size, self.config.cell)
        return float(rows * columns * self._bank.numel())

    def state(self) -> dict[str, Tensor]:
        return {"bank": self._bank, "spread": self._spread}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._bank, self._spread = state["bank"], state["spread"]

    def _parts(self, encoded: Encoded) -> tuple[list[Tensor], Tensor]:
        """Features of each modality (B, h, w, C), and where there are any (B, h, w) bool: everywhere for images, on
        points otherwise."""
        grid = grid_of(encoded.size, self.config.cell)
        parts, valid = [], torch.ones(len(encoded.ids), *grid, dtype=torch.bool)
        if encoded.maps is not None:
            parts.append(image_cells(encoded.maps.levels, grid).movedim(1, -1))
        if encoded.shapes is not None:
            points, valid = point_cells(encoded, grid)
            parts.append(points.movedim(1, -1))
        return parts, valid

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return torch.cat([part / spread for part, spread in zip(parts, self._spread, strict=True)], dim=-1)


def _radius(part: Tensor) -> Tensor:
    """Root mean squared distance to the mean, of rows (N, C)."""
    return (part - part.mean(0)).square().sum(1).mean().sqrt().clamp(min=1e-12)
