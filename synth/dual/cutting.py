"""Material that is gone: what a camera ray meets behind a broken face, a notch or a hole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synth.dual.frame import tangent_frame
from synth.dual.profiles import Face
from synth.dual.scene import Scene

DEEPEST = 0.06
"""Metres behind the surface beyond which a sensor gets no return out of a hole."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Pixels (h, w) bool whose surface is gone; `scale` (h, w) float32, what their old point is multiplied by to reach
    the new surface on the same ray, 0 for no return; `normal` (h, w, 3) of the new surface; `backdrop` (h, w) bool,
    where that is the background."""

    gone: np.ndarray
    scale: np.ndarray
    normal: np.ndarray
    backdrop: np.ndarray

    def cut(self, box: tuple[slice, slice]) -> Removal:
        """The part of it within a box of its pixels."""
        return Removal(self.gone[box], self.scale[box], self.normal[box], self.backdrop[box])


def cut_face(scene: Scene, face: Face, seed: tuple[int, int], box: tuple[slice, slice], frame: np.ndarray) -> Removal:
    """Cut the part at `seed` (row, column) on its rim. The face looks outwards (see Face); along the rim its depth
    tapers as 1 - (s / reach)^2. frame (3, 3): tangent vectors and normal at the seed."""
    centre = scene.xyz[seed].astype(np.float64)
    outward = outward_direction(scene, seed, frame)
    along = np.cross(frame[2], outward)
    lean = np.cos(face.tilt) * frame[2] + np.sin(face.tilt) * outward
    points = scene.xyz[box].astype(np.float64)
    away = points - centre
    sideways = away @ along
    plane_places = np.stack([sideways, away @ np.cross(lean, along)], -1)
    depth = -face.amplitude * np.clip(1 - (sideways / face.reach) ** (4 if face.through else 2), 0, None)
    level = -depth + face.rough(plane_places) * (depth > 0)
    label = scene.part[seed]
    beyond = (away @ lean > level) & (scene.part[box] == label) & (np.linalg.norm(away, axis=-1) < 2 * face.reach)
    pieces, _ = ndimage.label(beyond)
    at = (seed[0] - box[0].start, seed[1] - box[1].start)
    gone = beyond & (pieces == pieces[at]) if pieces[at] else np.zeros_like(beyond)
    towards = points @ lean
    with np.errstate(divide="ignore", invalid="ignore"):
        on_face = (centre @ lean + level) / towards
    on_face = np.where((on_face > 1) & np.isfinite(on_face), on_face, np.inf)
    behind = _background(scene, points)
    scale = np.minimum(on_face, behind)
    backdrop = gone & (behind < on_face)
    facing = lean if lean @ centre < 0 else -lean
    normal = np.where(backdrop[..., None], _backdrop_normal(scene), facing)
    return Removal(gone, np.where(np.isfinite(scale), scale, 0).astype(np.float32), normal, backdrop)


def cut_hole(scene: Scene, gone: np.ndarray, box: tuple[slice, slice]) -> Removal:
    """A hole right through at pixels `gone` (h, w): the background behind it, or no return where that is deep."""
    points = scene.xyz[box].astype(np.float64)
    behind = _background(scene, points)
    reaches = np.isfinite(behind)
    behind = np.where(reaches, behind, 1)
    shallow = reaches & ((behind - 1) * np.linalg.norm(points, axis=-1) <= DEEPEST)
    scale = np.where(shallow, behind, 0).astype(np.float32)
    normal = np.broadcast_to(_backdrop_normal(scene), points.shape)
    return Removal(gone, scale, normal, gone & (scale > 0))


def outward_direction(scene: Scene, seed: tuple[int, int], frame: np.ndarray) -> np.ndarray:
    """Unit vector (3,) in the tangent plane at a seed towards the nearest pixel that is not part."""
    reach = int(scene.room[seed]) + 2
    rows = slice(max(seed[0] - reach, 0), seed[0] + reach + 1)
    columns = slice(max(seed[1] - reach, 0), seed[1] + reach + 1)
    off = np.argwhere(scene.part[rows, columns] != scene.part[seed]) + np.array([rows.start, columns.start])
    if len(off) == 0:  # the rim is the border of the frame
        height, width = scene.shape
        sides = {(-1, seed[1]): seed[0], (height, seed[1]): height - seed[0], (seed[0], -1): seed[1]}
        off = np.array([min({**sides, (seed[0], width): width - seed[1]}.items(), key=lambda item: item[1])[0]])
    apart = ((off - seed) ** 2).sum(1)
    nearest = off[apart <= 2 * apart.min() + 2].mean(0)
    step = nearest - seed
    ray = scene.camera.rays(np.array(seed[0] + step[0]), np.array(seed[1] + step[1]))
    centre, normal = scene.xyz[seed].astype(np.float64), frame[2]
    direction = ray * (centre @ normal / (ray @ normal)) - centre
    direction -= normal * (direction @ normal)
    length = np.linalg.norm(direction)
    return direction / length if length > 1e-9 else frame[0]


def frame_at(scene: Scene, seed: tuple[int, int]) -> np.ndarray:
    """Rows: two tangent vectors and the normal at a seed, from the mean normal of its 5 x 5 pixels; (3, 3)."""
    around = scene.normal[max(seed[0] - 2, 0) : seed[0] + 3, max(seed[1] - 2, 0) : seed[1] + 3]
    normal = around.reshape(-1, 3).astype(np.float64).sum(0)
    normal /= np.linalg.norm(normal)
    return np.stack([*tangent_frame(normal), normal])


def _background(scene: Scene, points: np.ndarray) -> np.ndarray:
    """Factor by which points lie before the background plane on their rays; infinite where there is none."""
    if scene.plane is None:
        return np.full(points.shape[:-1], np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = scene.plane.offset / (points @ scene.plane.normal)
    return np.where((factor > 1) & np.isfinite(factor), factor, np.inf)


def _backdrop_normal(scene: Scene) -> np.ndarray:
    return np.array([0.0, 0.0, -1.0]) if scene.plane is None else scene.plane.normal
