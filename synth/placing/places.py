"""Where the shots of a type lie on the product, and how far from there others may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synth.parts import part_of
from synth.sample import Sample

_LEAST = 0.05
Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Spread:
    """places (n, 2): the middles of the shots' defects, as shares (row, column) of the part's box; width (2,): how far
    from them others lie, deviation in the same shares."""

    places: np.ndarray
    width: np.ndarray

    def weight(self, part: np.ndarray | None, shape: Sequence[int], size: tuple[int, ...]) -> np.ndarray:
        """How likely each cell of a grid of `size` (h, w) over an image of `shape` (H, W, ...) is, 1 at the most, the
        part (H, W) bool lying where it does."""
        top, left, bottom, right = _box(part, shape)
        rows, columns = ((np.arange(n) + 0.5) * full / n for n, full in zip(size[:2], shape, strict=False))
        axes = ((rows - top) / (bottom - top), (columns - left) / (right - left))
        down, across = (
            np.exp(-0.5 * ((axis[:, None] - self.places[:, k]) / self.width[k]) ** 2) for k, axis in enumerate(axes)
        )
        found = down @ across.T
        return found / found.max() if found.max() > 0 else np.ones_like(found)


def measure_spread(shots: Sequence[Sample]) -> Spread:
    """Of the shots of one type that have masks. The width is their own deviation times n^(-1/6) (Scott's rule),
    widened by the error of a deviation known from n places, 0.05 of the box at the least."""
    places = np.array([_place(shot) for shot in shots])
    n = len(places)
    deviation = places.std(axis=0, ddof=1) if n > 1 else np.full(2, np.inf)
    wide = deviation * (1 + 1 / np.sqrt(2 * max(n - 1, 1)))
    return Spread(places, np.maximum(wide * n ** (-1 / 6), _LEAST))


def _place(shot: Sample) -> tuple[float, float]:
    assert shot.mask is not None
    rows, columns = np.nonzero(shot.mask)
    top, left, bottom, right = _box(part_of(shot), shot.mask.shape)
    row, column = (rows.min() + rows.max() + 1) / 2, (columns.min() + columns.max() + 1) / 2
    return float((row - top) / (bottom - top)), float((column - left) / (right - left))


def _box(part: np.ndarray | None, shape: Sequence[int]) -> Box:
    if part is None or not part.any():
        return 0.0, 0.0, float(shape[0]), float(shape[1])
    rows, columns = np.nonzero(part)
    return float(rows.min()), float(columns.min()), float(rows.max() + 1), float(columns.max() + 1)
