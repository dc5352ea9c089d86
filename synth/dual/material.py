"""The material layer: what colour a defect has, tied to its relief. Linear light, float32.

Every rule gives a tint (h, w, 3) and an opacity (h, w): the image becomes (1 - opacity) image + opacity tint before it
is shaded anew. Colours, strengths and opacities are our own choice. A type's own rule is in its file of
`synth.dual.types`; here is what they share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from synth.dual.profiles import Relief
from synth.noise import Lattice

ABSORPTIONS = ((0.35, 0.55, 0.95), (0.8, 0.8, 0.75), (0.2, 0.5, 1.1), (0.9, 0.55, 0.35))
"""Of stains, for red, green and blue: coffee, soot, oil, ink."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Tint (h, w, 3) and opacity (h, w) of the new material; `gloss` strength and `power` of its highlight."""

    tint: np.ndarray
    opacity: np.ndarray
    gloss: float = 0.0
    power: float = 8.0


Grain = Callable[[], np.ndarray]
"""Draws cloudy noise (h, w) about [-1, 1], its grain tied to the size of the defect. It costs more than all the rest,
so a rule asks for it only where it needs it, and before its other draws."""
Paint = Callable[[np.ndarray, Relief, Grain, np.random.Generator], Layer]
"""(image of the patch, linear (h, w, 3); relief; grain; rng) -> layer."""


def unpainted(linear: np.ndarray, relief: Relief, grain: Grain, rng: np.random.Generator) -> Layer:
    """The material stays."""
    return Layer(linear, np.zeros(linear.shape[:2], np.float32))


def darkened(low: float, high: float) -> Paint:
    """The material stays and gets only a share of the light, between `low` and `high`."""

    def paint(linear: np.ndarray, relief: Relief, grain: Grain, rng: np.random.Generator) -> Layer:
        return Layer(linear * np.float32(rng.uniform(low, high)), relief.cover)

    return paint


def grain_at(q: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Cloudy noise (h, w) at places q (h, w, 2) metres of a defect of that radius in metres."""
    return Lattice.draw(rng).fbm(q * np.float32(4 / radius))


def own_texture(linear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The patch itself cut into an 8 x 8 grid and shuffled, its channels changed: a foreign texture of the same
    camera; (h, w, 3)."""
    height, width = linear.shape[:2]
    rows = np.array_split(np.arange(height), min(8, height))
    columns = np.array_split(np.arange(width), min(8, width))
    down = np.concatenate([rows[k] for k in rng.permutation(len(rows))])
    across = np.concatenate([columns[k] for k in rng.permutation(len(columns))])
    tone = rng.uniform(0.4, 1.6, 3).astype(np.float32)
    return np.clip(linear[down][:, across][..., rng.permutation(3)] * tone, 0, 1)
