"""A pool of images that score each other, and others that are scored by it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from eval.detectors.musc.cross_modal import enhanced
from eval.detectors.musc.mutual import compared, distances_to, interval_mean, mutual_distances
from eval.detectors.musc.tokens import Tokens

T = TypeVar("T")


@dataclass(frozen=True)
class TokenScores:
    """Scores of the image tokens (L,) and of the point groups (G,), None for a modality that is not looked at."""

    image: Tensor | None
    points: Tensor | None


@dataclass(frozen=True)
class Pool:
    """numbers: (N,) int64, one for each id; image, points: the tokens of all images one after the other, for each level
    (sum of L, C_k); cells, groups: how many tokens of either each image has."""

    numbers: Tensor
    image: list[Tensor]
    points: list[Tensor]
    cells: list[int]
    groups: list[int]

    def others(self, number: int) -> Tensor:
        """Rows of the images with another number: (R,) int64."""
        return (self.numbers != number).nonzero().squeeze(1)


def pool_of(ids: Sequence[str], tokens: Sequence[Tokens]) -> Pool:
    """The images of these ids as a pool."""
    image = [torch.cat(level) for level in zip(*(one.image for one in tokens), strict=True)]
    points = [torch.cat(level) for level in zip(*(one.points for one in tokens), strict=True)]
    cells = [len(one.image[0]) if one.image else 0 for one in tokens]
    return Pool(
        torch.tensor([number_of(name) for name in ids]), image, points, cells, [len(one.cell) for one in tokens]
    )


def scores_within(pool: Pool, tokens: Sequence[Tokens], share: float, window: Tensor | None) -> list[TokenScores]:
    """Scores of the pool's own images by each other, every pair measured once."""
    depths = max(len(pool.image), len(pool.points))
    by_image = _at_depths(
        depths, len(pool.image), lambda level: mutual_distances(pool.image[level], pool.cells, window)
    )
    by_points = _at_depths(depths, len(pool.points), lambda level: mutual_distances(pool.points[level], pool.groups))
    found: list[list[TokenScores]] = [[] for _ in tokens]
    for image, points in zip(by_image, by_points, strict=True):
        for row, one in enumerate(tokens):
            others = pool.others(int(pool.numbers[row]))
            to_images, to_points = (None if table is None else table[row][:, others] for table in (image, points))
            found[row].append(_scored(to_images, to_points, one.cell, share))
    return [_mean(levels) for levels in found]


def scores_against(pool: Pool, number: int, tokens: Tokens, share: float, window: Tensor | None) -> TokenScores:
    """Scores of one image by those of the pool with another number."""
    others, depths = pool.others(number), max(len(pool.image), len(pool.points))

    def to_images(level: int) -> Tensor:
        return distances_to(tokens.image[level], pool.image[level], pool.cells, window)[:, others]

    def to_points(level: int) -> Tensor:
        return distances_to(tokens.points[level], pool.points[level], pool.groups)[:, others]

    by_image = _at_depths(depths, len(pool.image), to_images)
    by_points = _at_depths(depths, len(pool.points), to_points)
    pairs = zip(by_image, by_points, strict=True)
    return _mean([_scored(image, points, tokens.cell, share) for image, points in pairs])


def number_of(name: str) -> int:
    """The first 8 bytes of the sha256 of an id, as int64."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little", signed=True)


def _at_depths(depths: int, levels: int, measured: Callable[[int], T]) -> Iterator[T | None]:
    """What is measured of a level, for each of so many depths: where there are fewer levels each comes several times in
    a row and is measured once; None where there is none."""
    found, last = None, -1
    for depth in range(depths):
        level = depth * levels // depths
        if levels and level != last:
            found, last = measured(level), level
        yield found


def _scored(image: Tensor | None, points: Tensor | None, cell: Tensor, share: float) -> TokenScores:
    """Distances to R others, (L, R) and (G, R) -> scores; the two enhance each other where there are both."""
    if image is not None and points is not None:
        image, points = enhanced(image, points, cell)
    return TokenScores(
        *(None if one is None else interval_mean(one, compared(one.shape[1], share)) for one in (image, points))
    )


def _mean(levels: Sequence[TokenScores]) -> TokenScores:
    image = [one.image for one in levels if one.image is not None]
    points = [one.points for one in levels if one.points is not None]
    return TokenScores(torch.stack(image).mean(0) if image else None, torch.stack(points).mean(0) if points else None)
