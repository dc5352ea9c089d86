"""MPAS primitives (Synthesis4AD) that change the part as a whole: crack and bend. Lengths are shares of the diagonal of
the bounding box."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.spatial import cKDTree

from synth.dual.bending import bent, turned
from synth.dual.presets.unorganised import Changed, CloudScheme, drawn_sign, flat_direction
from synth.dual.profiles import Hinge
from synth.dual.surface import Surface
from synth.errors import GeneratorError

RIM = 5
"""Survivors next to each removed point that are labelled. [C]"""
PLANE_POINTS = 50
"""Points that the crack's normal is fitted to. [C]"""
FACING = 0.15
"""Cosine at the centroid between a point and the crack's middle from which the point may go. [C]"""
REACH = 0.6
"""Share of the diagonal around the crack's middle beyond which nothing goes. [C]"""


class MpasCrack(CloudScheme):
    """A slit through the surface along the chord v between two random points: points go where |(p - mid) . w| < width,
    w = unit(v x m), m the normal at mid away from the centroid c, cos(p - c, mid - c) > 0.15 and |p - mid| < 0.6
    diagonal. Labelled are the 5 survivors nearest to each point that went."""

    name: ClassVar[str] = "mpas_crack"
    width: float = Field(0.005, description="Half-width, share of the diagonal. [C]", gt=0, le=0.2)

    def change(self, surface: Surface, rng: np.random.Generator) -> Changed:
        first, second = rng.choice(len(surface.points), 2, replace=False)
        gone = slit(surface, surface.points[first], surface.points[second], self.width)
        if not gone.any() or gone.mean() > 0.3:
            raise GeneratorError(f"the slit takes {gone.mean():.1%} of the points")
        left = np.flatnonzero(~gone)
        near = cKDTree(surface.points[left]).query(surface.points[gone], RIM)[1]
        labels = np.zeros(len(gone), bool)
        labels[left[near.ravel()]] = True
        return Changed(np.zeros(surface.points.shape), labels, ~gone, surface.normals, {"removed": int(gone.sum())})


class MpasBend(CloudScheme):
    """The half of the part with (p - mid) . long > 0 turns by `angle_deg` about its width axis through the middle;
    long, width and thickness are the axes of its PCA.

    Published as a hard hinge, which tears one side and folds the other over; here the part curves over a length of
    twice its thickness, at most half of what lies beyond the middle. Labelled is all that moves; published is what
    curves alone, which leaves an arm that moved without a label (`label: hinge`)."""

    name: ClassVar[str] = "mpas_bend"
    angle_deg: float = Field(
        25.0, description="Angle of the bend. [C]", json_schema_extra={"unit": "degrees"}, gt=0, le=90
    )
    label: Literal["hinge", "moved"] = Field(
        "moved", description="What is labelled: all that moves, or where it curves alone, as published."
    )

    def change(self, surface: Surface, rng: np.random.Generator) -> Changed:
        middle = surface.points.mean(0)
        away = surface.points - middle
        thin, _, long = np.linalg.eigh(away.T @ away)[1].T
        long = long * drawn_sign(rng)
        side = int(drawn_sign(rng))
        # Right-handed: along the part, along the hinge, outwards.
        axes = np.stack([long, np.cross(thin, long), thin])
        along = away @ long
        thickness = float(np.ptp(away @ thin))
        hinge = Hinge(float(np.radians(self.angle_deg)), min(2 * thickness, 0.5 * float(along.max())), 0.0)
        beyond = along > 0
        points, normals = surface.points.copy(), surface.normals.copy()
        points[beyond] = bent(surface.points[beyond], middle, axes, hinge, side)
        normals[beyond] = turned(surface.normals[beyond], surface.points[beyond], middle, axes, hinge, side)
        labels = beyond & (along <= hinge.length) if self.label == "hinge" else None
        parameters = {"angle_deg": self.angle_deg, "length_mm": round(1e3 * hinge.length, 4)}
        return Changed(points - surface.points, labels, None, normals, parameters)


def slit(surface: Surface, first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
    """Points (N,) bool that a crack between two places (3,) takes; `width` a share of the diagonal, one spacing at
    least."""
    middle, centroid = 0.5 * (first + second), surface.points.mean(0)
    near = surface.tree.query(middle, min(PLANE_POINTS, len(surface.points)))[1]
    normal = flat_direction(surface.points[near])
    normal = normal if normal @ (middle - centroid) >= 0 else -normal
    across = np.cross(second - first, normal)
    if np.linalg.norm(across) < 1e-9 * surface.diagonal or np.linalg.norm(middle - centroid) < 1e-9 * surface.diagonal:
        raise GeneratorError("the slit has no direction")
    across /= np.linalg.norm(across)
    away, out = surface.points - middle, surface.points - centroid
    length = np.linalg.norm(out, axis=1) * np.linalg.norm(middle - centroid)
    facing = out @ (middle - centroid) > FACING * length
    narrow = np.abs(away @ across) < max(width * surface.diagonal, surface.spacing)
    return narrow & facing & (np.linalg.norm(away, axis=1) < REACH * surface.diagonal)
