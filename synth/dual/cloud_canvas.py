"""The unorganised cloud under work: points and what is known of the defects so far. An edit takes a canvas and returns
another one; none is written to, so a refused edit leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from synth.dual.surface import Surface
from synth.errors import GeneratorError
from synth.generators import origin_of
from synth.sample import Cloud, Instance, InstanceMasks, Provenance, Sample

LEAST_LABELS = 6
"""Points of a defect, at least."""
MOST_LABELS = 0.6
"""Share of the cloud that a defect may cover."""
SEEN = 1e-6
"""Metres, times the diagonal in metres, from which a point counts as moved; what would move less stays."""


def beside(points: np.ndarray, others: np.ndarray, reach: float) -> np.ndarray:
    """Points (n, 3) that have one of the others (m, 3) within `reach` metres, (n,) bool."""
    return np.isfinite(cKDTree(others).query(points, distance_upper_bound=reach)[0])


@dataclass(frozen=True, slots=True)
class Marked:
    """Points of a cloud under work: points, normals (n, 3), source (n,) index of the point each came from, number (n,)
    of the instance it belongs to, 0 = good, colors (n, 3) uint8 as far as the cloud has any."""

    points: np.ndarray
    normals: np.ndarray
    source: np.ndarray
    number: np.ndarray
    colors: np.ndarray | None = None

    def only(self, kept: np.ndarray) -> Marked:
        """Those points alone; kept (n,) bool or indices."""
        return self._with(self, lambda own, _: own[kept])

    def plus(self, other: Marked) -> Marked:
        """Both, in the number types of the first."""
        return self._with(other, lambda own, more: np.concatenate([own, more.astype(own.dtype, copy=False)]))

    def with_rows(self, rows: np.ndarray, others: Marked) -> Marked:
        """The points at `rows` (m,) replaced by m others."""
        return self._with(others, lambda own, more: _replaced(own, rows, more))

    def _with(self, other: Marked, change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Marked:
        names = [name for name in Marked.__slots__ if getattr(self, name) is not None]
        changed: dict[str, Any] = {name: change(getattr(self, name), getattr(other, name)) for name in names}
        return Marked(**changed)


def _replaced(array: np.ndarray, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy[rows] = values
    return copy


@dataclass(frozen=True, slots=True)
class CloudCanvas:
    """A cloud with the defects so far; `surface` is the good one."""

    surface: Surface
    marked: Marked
    instances: tuple[Instance, ...] = ()

    @classmethod
    def of(cls, sample: Sample, surface: Surface) -> CloudCanvas:
        """A good cloud, without a defect yet."""
        assert sample.cloud is not None
        size = len(surface.points)
        source, number = np.arange(size, dtype=np.int32), np.zeros(size, np.int16)
        colors = sample.cloud.colors
        return cls(surface, Marked(sample.cloud.points, surface.single_normals, source, number, colors))

    @property
    def next_number(self) -> int:
        """The number of the next instance."""
        return len(self.instances) + 1

    def labels(self, marked: Marked) -> int:
        """How many points of an edited cloud belong to the next instance."""
        return int((marked.number == self.next_number).sum())

    def with_edit(self, marked: Marked, instance: Instance) -> CloudCanvas:
        """One more defect: its points have the next number. GeneratorError for one of too few or too many points."""
        labels = self.labels(marked)
        share = labels / max(len(marked.points), 1)
        if labels < LEAST_LABELS or share > MOST_LABELS:
            raise GeneratorError(f"it covers {labels} points, {share:.0%} of the cloud")
        return replace(self, marked=marked, instances=(*self.instances, instance))


def finished_cloud(canvas: CloudCanvas, sample: Sample, seed: int) -> Sample:
    """The defective version of a good sample."""
    assert sample.cloud is not None
    marked = canvas.marked
    points, normals = (array.astype(np.float32, copy=False) for array in (marked.points, marked.normals))
    kinds = {instance.type for instance in canvas.instances}
    start = origin_of(sample, cloud=sample.cloud)
    masks = InstanceMasks(marked.number, source=marked.source)
    return replace(
        sample,
        cloud=Cloud(points, normals, marked.colors, marked.number > 0, sample.cloud.origin),
        defect=kinds.pop() if len(kinds) == 1 else "combined",
        provenance=Provenance("dual", seed, start=start, instances=canvas.instances, masks=masks),
    )
