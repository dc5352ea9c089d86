"""The material layer: what colour a defect has, tied to its relief. Linear light, float32.

Every rule gives a tint (h, w, 3) and an opacity (h, w): the image becomes (1 - opacity) image + opacity tint before it
is shaded anew. Colours, strengths and opacities are our own choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from synth.dual.noise import Lattice
from synth.dual.profiles import Relief
from synth.dual.spec import DefectSpec

DEPOSITS = ((0.30, 0.13, 0.03), (0.62, 0.60, 0.55), (0.05, 0.045, 0.04), (0.42, 0.37, 0.28), (0.10, 0.16, 0.06))
"""Glue, paint, grease, dust, mould."""
OXIDES = ((0.20, 0.075, 0.025), (0.085, 0.035, 0.02), (0.16, 0.13, 0.10))
ABSORPTIONS = ((0.35, 0.55, 0.95), (0.8, 0.8, 0.75), (0.2, 0.5, 1.1), (0.9, 0.55, 0.35))
"""Of stains, for red, green and blue: coffee, soot, oil, ink."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Tint (h, w, 3) and opacity (h, w) of the new material; `gloss` strength and `power` of its highlight."""

    tint: np.ndarray
    opacity: np.ndarray
    gloss: float = 0.0
    power: float = 8.0


def draw_layer(
    spec: DefectSpec, linear: np.ndarray, relief: Relief, q: np.ndarray, radius: float, rng: np.random.Generator
) -> Layer:
    """The layer of one defect on its patch: linear (h, w, 3) image, relief and places q (h, w, 2) metres, `radius` the
    defect's own in metres, to which the grain of textures is tied."""
    # Noise costs more than all the rest: only the rules that read it get it.
    grain = Lattice.draw(rng).fbm(q * np.float32(4 / radius)) if spec.type in _GRAINY else relief.cover
    return _RULES[spec.type](linear, relief, grain, rng)


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


def _none(linear: np.ndarray, relief: Relief, grain: np.ndarray, rng: np.random.Generator) -> Layer:
    return Layer(linear, np.zeros(linear.shape[:2], np.float32))


def _darkened(low: float, high: float) -> Callable[..., Layer]:
    def rule(linear: np.ndarray, relief: Relief, grain: np.ndarray, rng: np.random.Generator) -> Layer:
        return Layer(linear * np.float32(rng.uniform(low, high)), relief.cover)

    return rule


def _scratch(linear: np.ndarray, relief: Relief, grain: np.ndarray, rng: np.random.Generator) -> Layer:
    """Bare substrate in the groove: brighter than the surface, or darker where that is bright; greyer."""
    mean = linear.reshape(-1, 3).mean(0)
    grey = mean.mean()
    bare = (0.3 * mean + 0.7 * grey) * (rng.uniform(1.5, 2.2) if grey < 0.45 else rng.uniform(0.35, 0.6))
    tint = np.broadcast_to(bare.astype(np.float32), linear.shape)
    return Layer(tint, relief.cover * np.float32(rng.uniform(0.5, 0.85)), 0.15, 32.0)


def _corroded(linear: np.ndarray, relief: Relief, grain: np.ndarray, rng: np.random.Generator) -> Layer:
    oxide = np.array(OXIDES[rng.integers(len(OXIDES))], np.float32)
    tint = oxide * (1 + 0.3 * grain)[..., None]
    return Layer(np.clip(tint, 0, 1), relief.cover * np.float32(rng.uniform(0.4, 0.8)))


def _deposit(linear: np.ndarray, relief: Relief, grain: np.ndarray, rng: np.random.Generator) -> Layer:
    colour = np.array(DEPOSITS[rng.integers(len(DEPOSITS))], np.float32) * rng.uniform(0.8, 1.25)
    tint = np.clip(colour * (1 + 0.15 * grain)[..., None], 0, 1).astype(np.float32)
    return Layer(tint, relief.cover * np.float32(rng.uniform(0.7, 1.0)), rng.uniform(0, 0.3), 32.0)


def _stain(linear: np.ndarray, relief: Relief, grain: np.ndarray, rng: np.random.Generator) -> Layer:
    """rho exp(-c w): what soaks in absorbs, unevenly, each channel its own share."""
    absorbed = np.array(ABSORPTIONS[rng.integers(len(ABSORPTIONS))], np.float32) * rng.uniform(0.8, 1.6)
    density = np.clip(0.8 + 0.45 * grain, 0.25, 2)[..., None]
    return Layer((linear * np.exp(-absorbed * density)).astype(np.float32), relief.cover)


def _worn(linear: np.ndarray, relief: Relief, grain: np.ndarray, rng: np.random.Generator) -> Layer:
    """Rubbed: paler and greyer, patchy."""
    pale = 0.6 * linear.mean(-1, keepdims=True) + 0.4 * linear
    patchy = np.clip(0.55 + 0.5 * grain, 0.1, 1) * relief.cover
    strength = np.float32(rng.uniform(0.5, 0.8))
    return Layer(np.clip(pale * 1.25 + 0.06, 0, 1).astype(np.float32), patchy * strength, 0.2, 64.0)


def _broken(linear: np.ndarray, relief: Relief, grain: np.ndarray, rng: np.random.Generator) -> Layer:
    """The inside of the material: its mean colour, paler, cloudy."""
    mean = linear.reshape(-1, 3).mean(0)
    inner = 0.5 * mean + 0.5 * mean.mean() * np.array([1.06, 1.0, 0.9], np.float32)
    tint = np.clip(inner * rng.uniform(0.9, 1.5) * (1 + 0.25 * grain)[..., None], 0, 1)
    return Layer(tint.astype(np.float32), relief.cover * np.float32(0.92))


_GRAINY = ("pits", "deposit", "stain", "wear", "chip", "cut")
_RULES: dict[str, Callable[..., Layer]] = {
    "bulge": _none,
    "dent": _none,
    "bend": _none,
    "hole": _darkened(0.35, 0.7),
    "through_hole": _darkened(0.02, 0.12),
    "crack": _darkened(0.12, 0.4),
    "scratch": _scratch,
    "pits": _corroded,
    "deposit": _deposit,
    "stain": _stain,
    "wear": _worn,
    "chip": _broken,
    "cut": _broken,
}
