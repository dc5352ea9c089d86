"""Schemes that move one patch of points, cut by distance: R3D-AD's Patch-Gen and PO3AD's Norm-AS."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy.spatial.transform import Rotation

from synth.dual.presets.unorganised import Changed, CloudScheme, Range, drawn_sign, nearest
from synth.dual.surface import Surface

VIEWS = np.stack(np.meshgrid(*[(-2.0, 0.0, 2.0)] * 3, indexing="ij"), -1).reshape(-1, 3)
VIEWS = VIEWS[VIEWS.any(1)]
"""The 26 viewpoints (26, 3) around a cloud within the unit ball. [C]"""
PATCHES = 64
"""Patches that PO3AD cuts a cloud into. [C]"""
FIRST = 32
"""Of these, the number among which the moved one is drawn. [C]"""


class R3dAd(CloudScheme):
    """R3D-AD (Zhou et al. 2024), released helper: the patch nearest to one of 26 viewpoints v on a cube moves along
    (p - v) / |p - v|, all inwards or all outwards; random strengths in [0, 1], the largest at the nearest point.

    Only 26 places would come up in each pose; so the cube is turned at random."""

    name: ClassVar[str] = "r3d_ad"
    share: float = Field(
        1 / 16, description="Points that move, share of all: 128 of 2,048 in a fork. [P]", gt=0, lt=0.5
    )
    scale: float = Field(0.05, description="Largest offset over the radius of the cloud, a fork's default. [P]", gt=0)

    def change(self, surface: Surface, rng: np.random.Generator) -> Changed:
        return Changed(view_patch(surface.points, rng, self.share, self.scale))


class Po3ad(CloudScheme):
    """PO3AD (Ye et al. 2025), Norm-AS: the cloud, in a unit ball, is cut greedily into 64 patches; one of the first 32
    moves by sign A ratio_i along its normals, ratio = 1 - r / r_max stretched to [0, 1], A uniform in `height`.

    Published: along |n|, element by element, which is no normal: half the points go the wrong way, and defects shear
    towards (+, +, +) of a randomly turned frame. Mended: along the outward n; `compat` restores |n|."""

    name: ClassVar[str] = "po3ad"
    height: Range = Field((0.06, 0.12), description="A over the radius of the cloud. [C]")
    compat: bool = Field(False, description="Move along |n|, as published results do.")

    def change(self, surface: Surface, rng: np.random.Generator) -> Changed:
        return Changed(normal_patch(surface.points, surface.normals, rng, self.height, self.compat))


def view_patch(points: np.ndarray, rng: np.random.Generator, share: float = 1 / 16, scale: float = 0.05) -> np.ndarray:
    """R3D-AD's offsets (N, 3) of points (N, 3), in their unit."""
    unit, radius = unit_ball(points)
    view = Rotation.from_quat(rng.standard_normal(4)).apply(VIEWS[rng.integers(len(VIEWS))])
    away = unit - view
    distance = np.linalg.norm(away, axis=1)
    patch = nearest(distance, max(int(share * len(points)), 1))
    strength = np.sort(rng.random(len(patch)))[::-1] * drawn_sign(rng) * scale * radius
    offset = np.zeros(points.shape)
    offset[patch] = strength[:, None] * away[patch] / distance[patch, None]
    return offset


def normal_patch(
    points: np.ndarray,
    normals: np.ndarray,
    rng: np.random.Generator,
    height: Range = (0.06, 0.12),
    compat: bool = False,
) -> np.ndarray:
    """PO3AD's offsets (N, 3), the target of its network, of points (N, 3) with outward unit normals; in their unit."""
    _, radius = unit_ball(points)
    patch, distance = greedy_patch(points, rng)
    ratio = 1 - distance / max(distance[-1], np.finfo(float).tiny)
    direction = normals[patch]
    if compat:
        pose = Rotation.from_quat(rng.standard_normal(4))
        direction = pose.apply(np.abs(pose.apply(direction)), inverse=True)
    strength = drawn_sign(rng) * rng.uniform(*height) * radius * (ratio - ratio.min()) / max(np.ptp(ratio), 1e-12)
    offset = np.zeros(points.shape)
    offset[patch] = strength[:, None] * direction
    return offset


def greedy_patch(points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One of the FIRST of PATCHES patches of N / PATCHES points: each is cut around a random point that is left, from
    those nearest to it that are left. Indices (n,), and distances (n,) from its middle, nearest first."""
    left = np.arange(len(points))
    count = max(len(points) // PATCHES, 2)
    for _ in range(int(rng.integers(FIRST)) + 1):
        distance = np.linalg.norm(points[left] - points[left[rng.integers(len(left))]], axis=1)
        order = nearest(distance, count)
        patch, apart = left[order], distance[order]
        left = np.delete(left, order)
    return patch, apart


def unit_ball(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Points (N, 3) about their mean, with the furthest at 1, and the radius they were divided by."""
    centred = points - points.mean(0)
    radius = float(np.linalg.norm(centred, axis=1).max())
    return centred / radius, radius
