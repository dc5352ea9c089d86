"""What schemes for unorganised clouds share: what they give, and true labels of it.

Points are arrays (N, 3) float64 in any unit: every length of a scheme is relative to the size of the cloud. A label
belongs to the point, by index; released code that looked labels up by position lost them.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, field_validator
from scipy.spatial import cKDTree

from synth.dual.attempts import ATTEMPTS, first_success
from synth.dual.cloud_canvas import SEEN, CloudCanvas, Marked, finished_cloud
from synth.dual.seeds import attempt_stream
from synth.dual.surface import NEIGHBOURS, Surface
from synth.sample import Instance, Sample

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Changed:
    """What a scheme made of a cloud of N points: `offset` (N, 3) in the cloud's unit, zero for points that stay.

    Unless given, `labels` (N,) bool are the points that move and all points are `kept` (N,) bool; `normals` (N, 3) are
    fitted anew around labelled points. `parameters` are plain types for the record."""

    offset: np.ndarray
    labels: np.ndarray | None = None
    kept: np.ndarray | None = None
    normals: np.ndarray | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


class CloudScheme(BaseModel):
    """A scheme for unorganised clouds. Its numbers are its fields; `change` is its formula."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]

    @field_validator("*")
    @classmethod
    def _ranges_rise(cls, value: Any) -> Any:
        if isinstance(value, tuple) and not 0 <= value[0] <= value[1]:
            raise ValueError(f"{value[0]} to {value[1]} is no range: give the smaller value first, none below 0")
        return value

    @abstractmethod
    def change(self, surface: Surface, rng: np.random.Generator) -> Changed:
        """One anomaly. GeneratorError where the cloud has no room for one."""


def draw_on_surface(scheme: CloudScheme, surface: Surface, sample: Sample, seed: int) -> Sample:
    """A good sample made defective; its provenance has the instance and its mask. GeneratorError, with the last reason,
    where no attempt succeeds."""
    attempt = partial(_with_anomaly, CloudCanvas.of(sample, surface), scheme, seed)
    return finished_cloud(first_success(ATTEMPTS, attempt, f"{sample.id}: no {scheme.name}"), sample, seed)


def _with_anomaly(canvas: CloudCanvas, scheme: CloudScheme, seed: int, attempt: int) -> CloudCanvas:
    changed = scheme.change(canvas.surface, attempt_stream(seed, attempt))
    marked = _settled(canvas, changed)
    parameters = {
        "visible_in": "geo",
        "points": canvas.labels(marked),
        "largest_mm": round(1e3 * float(np.linalg.norm(changed.offset, axis=1).max()), 4),
        "attempt": attempt,
        **changed.parameters,
    }
    return canvas.with_edit(marked, Instance(scheme.name, parameters))


def _settled(canvas: CloudCanvas, changed: Changed) -> Marked:
    """The cloud after the change. Points that move less than SEEN times its size, or not at all in float32, stay."""
    surface = canvas.surface
    points = surface.points + changed.offset
    moved = np.linalg.norm(changed.offset, axis=1) > SEEN * surface.diagonal
    moved &= (points.astype(np.float32) != surface.points.astype(np.float32)).any(1)
    points = np.where(moved[:, None], points, surface.points)
    labels = moved if changed.labels is None else changed.labels
    normals = changed.normals if changed.normals is not None else refitted_normals(points, surface.normals, moved)
    marked = replace(canvas.marked, points=points, normals=normals, number=labels.astype(np.int16))
    return marked if changed.kept is None else marked.only(changed.kept)


def refitted_normals(points: np.ndarray, normals: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Normals (N, 3) with those of points `where` (N,) bool fitted anew to their neighbours, on the side they were."""
    members = np.flatnonzero(where)
    if len(members) == 0:
        return normals
    near = cKDTree(points).query(points[members], min(NEIGHBOURS, len(points)), workers=-1)[1]
    fitted = flat_direction(points[near])
    fitted *= np.where(np.einsum("ij,ij->i", fitted, normals[members]) < 0, -1.0, 1.0)[:, None]
    made = normals.copy()
    made[members] = fitted
    return made


def flat_direction(groups: np.ndarray) -> np.ndarray:
    """Unit direction (..., 3), of either sign, in which points (..., k, 3) spread least: their PCA normal."""
    away = groups - groups.mean(-2, keepdims=True)
    return np.linalg.eigh(np.einsum("...ki,...kj->...ij", away, away))[1][..., 0]


def same_side(normals: np.ndarray, seed: int) -> np.ndarray:
    """Points (N,) bool that face as the seed does: those of the far side of a thin wall do not."""
    return normals @ normals[seed] > 0


def nearest(distance: np.ndarray, count: int) -> np.ndarray:
    """Indices (count,) of the smallest distances (N,), nearest first, equal ones by index."""
    count = min(count, len(distance))
    limit = np.partition(distance, count - 1)[count - 1]
    near = np.flatnonzero(distance <= limit)
    return near[np.argsort(distance[near], kind="stable")][:count]


def drawn_sign(rng: np.random.Generator) -> float:
    """+1 or -1."""
    return 1.0 if rng.random() < 0.5 else -1.0
