"""Where a defect goes: on scans a pixel with room around it, on the part, seen at less than 65 degrees; on clouds a
point."""

from __future__ import annotations

import numpy as np

from synth.dual.numbers import Place
from synth.dual.scene import Scene
from synth.dual.surface import Surface
from synth.errors import GeneratorError, SampleError
from synth.sample import Sample

STEEPEST = np.cos(np.deg2rad(65))
TRIES = 200
SAME_SIDE = 0.5
"""Cosine between two normals from which both count as one face."""
_ANGLES = np.arange(12) * np.pi / 6
_RING = np.concatenate([r * np.stack([np.sin(_ANGLES), np.cos(_ANGLES)], 1) for r in (0.5, 1.0)])


def choose_seed(scene: Scene, place: Place, reach: float, rng: np.random.Generator) -> tuple[int, int]:
    """(row, column) of a foreground pixel with about `reach` metres of one face of the part around it; for "edge" one
    near the rim of the part. GeneratorError where the part has none."""
    weight = scene.weights(place)
    for attempt in range(TRIES):
        flat = scene.positions[int(np.searchsorted(weight, rng.random() * weight[-1], side="right"))]
        row, column = divmod(int(flat), scene.shape[1])
        if scene.facing[row, column] < STEEPEST:
            continue
        # A part may have no face as large as the defect: the demand falls as tries go by.
        wanted = 0.95 - 0.35 * attempt / TRIES
        if place == "edge" or one_face(scene, (row, column), reach) >= wanted:
            return row, column
    raise GeneratorError(
        f"{scene.id}: found no place for a defect of {1e3 * reach:.1f} mm ({place}); choose a smaller one"
    )


def one_face(scene: Scene, seed: tuple[int, int], reach: float) -> float:
    """Share of 24 places, half of `reach` metres and all of it around the seed, that are part, face as the seed does
    and lie on its tangent plane to within half their distance."""
    centre, normal = scene.xyz[seed], scene.normal[seed]
    ring = np.rint(seed + _RING * reach / np.array(scene.pixel_sides(*seed))).astype(int)
    rows, columns = ring.T
    inside = (rows >= 0) & (columns >= 0) & (rows < scene.shape[0]) & (columns < scene.shape[1])
    rows, columns = rows[inside], columns[inside]
    same = (scene.part[rows, columns] == scene.part[seed]) & (scene.normal[rows, columns] @ normal > SAME_SIDE)
    away = scene.xyz[rows, columns] - centre
    same &= np.abs(away @ normal) <= 0.5 * np.linalg.norm(away, axis=-1) + 2 * scene.sigma
    return float(same.sum()) / len(_RING)


def choose_point(sample: Sample, surface: Surface, place: Place, rng: np.random.Generator) -> int:
    """A point of a cloud. Where the sample's meta["allowed"], bool (N,), names points, it is one of those; SampleError
    where that is no mask of the points."""
    allowed = sample.meta.get("allowed")
    if allowed is None and place == "mask":
        raise SampleError(f"{sample.id}: place 'mask' needs a bool (N,) mask of points in the sample's meta['allowed']")
    if place == "edge" and allowed is None:
        return int(surface.tree.query(_extreme(surface, rng))[1])
    positions = surface.positions(place)
    if allowed is not None:
        mine = np.asarray(allowed, bool)
        if mine.shape != (len(surface.points),) or not mine.any():
            raise SampleError(
                f"{sample.id}: meta['allowed'] is {mine.shape} with {mine.sum()} True, wanted one a point"
            )
        positions = positions[mine[positions]] if mine[positions].any() else np.flatnonzero(mine)
    return int(positions[rng.integers(len(positions))])


def _extreme(surface: Surface, rng: np.random.Generator) -> np.ndarray:
    """A corner-like place: the point that is furthest in a random direction."""
    direction = rng.standard_normal(3)
    return surface.points[int(np.argmax(surface.points @ direction))]
