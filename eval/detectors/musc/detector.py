"""MuSc-V2 (Li et al. 2025, "MuSc-V2: zero-shot multimodal industrial anomaly classification and segmentation",
arXiv 2511.10047): unlabelled images score each other. What most of them have nothing like is anomalous; no good sample
is learnt from.

Its results are transductive: the test images were seen together. Breakdown point: the same defect in c images is missed
as soon as c - 1 >= K, K = share of the other images (0.3), since then the few that are compared hold it too. So one
synthetic defect pasted at the same place again and again is the worst test of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from eval.detectors.config import MultimodalConfig
from eval.detectors.detector import Detector, Judged, Prediction, as_prediction
from eval.detectors.encoding import Encoded
from eval.detectors.grids import CELL, grid_of
from eval.detectors.musc.mutual import SHARE, position_window
from eval.detectors.musc.neighbourhoods import DEGREES
from eval.detectors.musc.pool import Pool, TokenScores, number_of, pool_of, scores_against, scores_within
from eval.detectors.musc.rescoring import NEIGHBOURS, rescored
from eval.detectors.musc.score_maps import image_map, point_map
from eval.detectors.musc.tokens import Tokens, tokens_of
from eval.features.point_groups import FLAT
from synth.errors import EvalError
from synth.sample import Sample

FEW = 20
"""With fewer images than so many the detector warns."""


class MuScConfig(MultimodalConfig):
    """degrees: sides of the windows that tokens are averaged over, and counts of nearest groups; share: K, as a share
    of the other images; pos_radius: image cells are compared within so many rows and columns, with all by default;
    neighbours: of the re-scoring; groups: of points, at most; flat: curvature under which groups are averaged; sigma:
    of the smoothing of the map of points, in px of the resized image. agg3d "repo", repo_norm and repo_corners: as the
    released code does, see `aggregated_groups`, `Tokens.salient` and `image_map`."""

    degrees: tuple[int, ...] = Field(DEGREES, min_length=1)
    share: float = Field(SHARE, gt=0, le=1)
    pos_radius: int | None = Field(None, ge=0)
    neighbours: tuple[int, ...] = Field(NEIGHBOURS, min_length=1)
    cell: int = Field(CELL, ge=1)
    groups: int = Field(1024, ge=1)
    flat: float = Field(FLAT, ge=0)
    sigma: float = Field(4.0, ge=0)
    agg3d: Literal["mean", "repo"] = "mean"
    repo_norm: bool = False
    repo_corners: bool = False

    @field_validator("degrees")
    @classmethod
    def _odd(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(degree < 1 or degree % 2 == 0 for degree in value):
            raise ValueError("odd numbers from 1")
        return value

    @field_validator("neighbours")
    @classmethod
    def _positive(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if min(value) < 1:
            raise ValueError("numbers from 1")
        return value


@dataclass(frozen=True)
class _Scored:
    """The map of a sample (H, W), the highest score of each modality, and its salient token (D,)."""

    map: Tensor
    highest: dict[str, float]
    salient: Tensor


class MuSc(Detector):
    """Images that score each other: `fit_predict(samples)`. After `fit(pool)`, `predict` scores further images by those
    of the pool, and one of the pool by the others."""

    name = "musc"
    Config = MuScConfig
    config: MuScConfig
    transductive = True

    def fit_predict(self, samples: Sequence[Sample]) -> Prediction:
        """Score unlabelled samples by each other. EvalError for fewer than two."""
        samples = list(samples)
        self.fit(samples)
        # `fit` sorts by id.
        order = sorted(range(len(samples)), key=lambda row: samples[row].id)
        found = sorted(zip(order, self._within, strict=True), key=lambda one: one[0])
        return as_prediction([judged for _, judged in found])

    def _learn(self, batches: Iterator[Encoded]) -> None:
        tokens: list[Tokens] = []
        singles: list[Encoded] = []
        for encoded in batches:
            tokens += self._tokens(encoded)
            singles += _singles(encoded)
        self._pool = pool_of([one.ids[0] for one in singles], tokens)
        self._check_pool()
        scores = scores_within(self._pool, tokens, self.config.share, self._window(singles[0].size))
        found = [self._scored(*one) for one in zip(singles, tokens, scores, strict=True)]
        self._raw = torch.stack([one.map.max() for one in found])
        self._salient = torch.stack([one.salient for one in found])
        self._within = [(encoded, self._judged([encoded], [one])) for encoded, one in zip(singles, found, strict=True)]

    def _judge(self, encoded: Encoded) -> Judged:
        window, singles, found = self._window(encoded.size), _singles(encoded), []
        for single, tokens in zip(singles, self._tokens(encoded), strict=True):
            scores = scores_against(self._pool, number_of(single.ids[0]), tokens, self.config.share, window)
            found.append(self._scored(single, tokens, scores))
        return self._judged(singles, found)

    @property
    def operations(self) -> float:
        pool = self._pool
        cells, groups = (sum(one) / max(1, len(one)) for one in (pool.cells, pool.groups))
        image = sum(cells * level.numel() for level in pool.image)
        return image + sum(groups * level.numel() for level in pool.points)

    def state(self) -> dict[str, Tensor]:
        pool = self._pool
        counts = {"numbers": pool.numbers, "cells": torch.tensor(pool.cells), "groups": torch.tensor(pool.groups)}
        levels = {f"image.{level}": tokens for level, tokens in enumerate(pool.image)}
        levels |= {f"points.{level}": tokens for level, tokens in enumerate(pool.points)}
        return counts | levels | {"raw": self._raw, "salient": self._salient}

    def restore(self, state: dict[str, Tensor]) -> None:
        image, points = (
            [state[f"{kind}.{level}"] for level in range(sum(name.startswith(f"{kind}.") for name in state))]
            for kind in ("image", "points")
        )
        self._pool = Pool(state["numbers"], image, points, state["cells"].tolist(), state["groups"].tolist())
        self._raw, self._salient = state["raw"], state["salient"]

    def _tokens(self, encoded: Encoded) -> list[Tokens]:
        config = self.config
        grid = grid_of(encoded.size, config.cell)
        return tokens_of(encoded, grid, config.degrees, config.groups, config.flat, config.agg3d)

    def _window(self, size: tuple[int, int]) -> Tensor | None:
        radius = self.config.pos_radius
        return None if radius is None else position_window(grid_of(size, self.config.cell), radius)

    def _check_pool(self) -> None:
        images = len(self._pool.numbers.unique())
        if images < 2:
            raise EvalError(
                f"{self.name} scores images by each other and was given one; give two, better {FEW} or more"
            )
        if images < FEW:
            warnings.warn(
                f"{self.name} scores {images} images by each other; with fewer than {FEW} scores vary, and a defect "
                "that several share is missed",
                stacklevel=2,
            )

    def _scored(self, single: Encoded, tokens: Tokens, scores: TokenScores) -> _Scored:
        """Map, and what the re-scoring compares, of one sample."""
        size, sigma = single.size, self.config.sigma
        found, highest = torch.zeros(size), {}
        if scores.image is not None:
            grid = scores.image.view(grid_of(size, self.config.cell))
            found = found + image_map(grid, size, self.config.repo_corners)
            highest["image"] = float(scores.image.max())
        if scores.points is not None:
            found = found + point_map(scores.points, tokens.centres, tokens.surface, tokens.place, size, sigma)
            highest["xyz"] = float(scores.points.max())
        return _Scored(found, highest, tokens.salient(scores.image, scores.points, self.config.repo_norm))

    def _judged(self, singles: Sequence[Encoded], found: Sequence[_Scored]) -> Judged:
        """Scores re-scored within the pool and the image itself."""
        raw = torch.stack([one.map.max() for one in found])
        salient = torch.stack([one.salient for one in found])
        similarity = torch.cat([salient.square().sum(1, keepdim=True), salient @ self._salient.T], 1)
        known = torch.ones(similarity.shape, dtype=torch.bool)
        for row, single in enumerate(singles):
            known[row, 1:] = self._pool.numbers != number_of(single.ids[0])
        scores = torch.cat([raw[:, None], self._raw.expand(len(found), -1)], 1)
        parts = {key: torch.tensor([one.highest[key] for one in found]) for key in found[0].highest}
        return Judged(
            rescored(scores, similarity, known, self.config.neighbours),
            torch.stack([one.map for one in found]),
            {"raw": raw} | parts,
        )


def _singles(encoded: Encoded) -> list[Encoded]:
    """Each sample of a batch alone, without its features."""
    bare = replace(encoded, maps=None, shapes=None)
    return [
        replace(bare, ids=[name], products=[product], sizes=[size])
        for name, product, size in zip(encoded.ids, encoded.products, encoded.sizes, strict=True)
    ]
