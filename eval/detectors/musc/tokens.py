"""The tokens of one image and its cloud, aggregated over their neighbourhoods, and where each group lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional

from eval.detectors.encoding import Encoded
from eval.detectors.grids import image_cells
from eval.detectors.musc.neighbourhoods import aggregated_grid, aggregated_groups
from eval.features.point_groups import farthest_points

if TYPE_CHECKING:
    from eval.features.points import PointFeatures


@dataclass(frozen=True)
class Tokens:
    """image: (L, C_k) for each level, L cells row by row. points: (G, C_k) for each level, at centres (G, 3), whose
    image cells are `cell` (G,); surface (n, 3), place (n, 2): all points of the cloud and the pixel of each. Empty for
    a modality that is not looked at."""

    image: list[Tensor]
    points: list[Tensor] = field(default_factory=list)
    centres: Tensor = field(default_factory=lambda: torch.empty(0, 3))
    cell: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    surface: Tensor = field(default_factory=lambda: torch.empty(0, 3))
    place: Tensor = field(default_factory=lambda: torch.empty(0, 2, dtype=torch.int64))

    def salient(self, image_scores: Tensor | None, point_scores: Tensor | None, repo_norm: bool) -> Tensor:
        """The token of the highest score of either modality, of the last level but one, one after the other: (D,). Each
        of unit length, unless repo_norm: the released code leaves those of points as they are."""
        found = []
        for levels, scores in ((self.image, image_scores), (self.points, point_scores)):
            if scores is not None:
                token = levels[max(0, len(levels) - 2)][scores.argmax()]
                found.append(token if repo_norm else functional.normalize(token, dim=0))
        return torch.cat(found)


def tokens_of(
    encoded: Encoded,
    grid: tuple[int, int],
    degrees: Sequence[int],
    groups: int,
    flat: float,
    agg3d: Literal["mean", "repo"],
) -> list[Tokens]:
    """The tokens of each sample of a batch. groups: of more than so many, the farthest from each other are taken; flat:
    groups of less curvature are aggregated (all, where the network of points tells no curvature)."""
    levels = [] if encoded.maps is None else encoded.maps.levels
    cells = [aggregated_grid(image_cells([level], grid, 1), degrees).flatten(2).mT for level in levels]
    images = [[level[row] for level in cells] for row in range(len(encoded.ids))]
    if encoded.shapes is None:
        return [Tokens(image) for image in images]
    found = []
    for image, shape in zip(images, encoded.shapes, strict=True):
        known = thinned(shape.features, groups)
        is_flat = None if known.curvature is None else known.curvature < flat
        points = [aggregated_groups(level, known.centres, is_flat, degrees, agg3d) for level in known.levels]
        cell = _cell_of(shape.place[known.index], encoded.size, grid)
        found.append(Tokens(image, points, known.centres, cell, shape.points, shape.place))
    return found


def thinned(features: PointFeatures, groups: int) -> PointFeatures:
    """At most so many groups, the farthest from each other."""
    if len(features.centres) <= groups:
        return features
    rows = farthest_points(features.centres, groups)
    curvature = None if features.curvature is None else features.curvature[rows]
    levels = [level[rows] for level in features.levels]
    return replace(
        features, levels=levels, centres=features.centres[rows], index=features.index[rows], curvature=curvature
    )


def _cell_of(place: Tensor, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Number of the grid cell of each pixel (n, 2): (n,)."""
    return place[:, 0] * grid[0] // size[0] * grid[1] + place[:, 1] * grid[1] // size[1]
