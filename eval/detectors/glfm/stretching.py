"""Clouds pulled out of shape, with labels: what a network is adapted by (GLFM, stage I).

The scheme is that of `synth.dual.presets.stretch`: the points next to a seed move along its normal. The released code
asks for the neighbours of the seed in axes scaled at random, and gives the seed unscaled, so that its region may lie
beside it; here the seed is among the labelled points. Its heights grow with the square of the unit; here they follow
the distance between neighbours times the root of the number of points that move, so that a scaled cloud gives the
scaled anomaly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eval.features.surface import eigen, surroundings
from synth.dual.presets.stretch import SHARE, published_stretch, stretch

NEIGHBOURS = 15
"""Points that a normal is fitted to, as published."""


@dataclass(frozen=True)
class Whole:
    """A good cloud: points (n, 3) float64, unit normals (n, 3) of one side, and the median distance of neighbours."""

    points: np.ndarray
    normals: np.ndarray
    spacing: float


def prepared(points: Tensor, organised: bool) -> Whole:
    """Normals of points (n, 3) in metres: of organised ones towards the camera, of others away from the middle."""
    every = points.double().numpy()
    near = surroundings(every, np.inf, NEIGHBOURS + 1)
    normals = eigen(every, near)[2]
    if not organised:
        inwards = (normals * (every - every.mean(0))).sum(1) < 0
        normals = np.where(inwards[:, None], -normals, normals)
    return Whole(every, normals, float(np.sqrt(np.median(near.squares[:, 0]))))


def stretched(
    whole: Whole, height: tuple[float, float], rng: np.random.Generator, compat: bool = False
) -> tuple[Tensor, Tensor]:
    """Points (n, 3) float32 and labels (n,) bool, True where they moved. height: of the peak, over spacing times the
    root of the number of points, drawn from this range; compat: heights by rank and squared spacing, as released."""
    if compat:
        offset = published_stretch(whole.points, whole.normals, rng)
    else:
        moved = max(np.mean(SHARE) * len(whole.points), 1)
        offset = stretch(whole.points, whole.normals, rng.uniform(*height) * whole.spacing * moved**0.5, rng)
    labels = (offset != 0).any(1)
    return torch.from_numpy(whole.points + offset).float(), torch.from_numpy(labels)
