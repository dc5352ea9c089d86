"""Chip and cut: a piece is broken off at an edge, along a tilted rough face or right through the part."""

from __future__ import annotations

import numpy as np

from synth.dual.material import Grain, Layer
from synth.dual.numbers import Numbers
from synth.dual.profiles import Face, Profile, Relief, log_uniform
from synth.dual.types.kind import DefectType
from synth.noise import Lattice


def _chip(numbers: Numbers, rng: np.random.Generator, amplitude: float, metres: float) -> Profile:
    return _face(numbers, rng, amplitude, metres, tilt=rng.uniform(*numbers.angle_deg), through=False)


def _cut(numbers: Numbers, rng: np.random.Generator, amplitude: float, metres: float) -> Profile:
    return _face(numbers, rng, amplitude, metres, tilt=90.0, through=True)


def _face(
    numbers: Numbers, rng: np.random.Generator, amplitude: float, metres: float, tilt: float, through: bool
) -> Face:
    radius = metres * log_uniform(rng, numbers.radius_mm)
    return Face(-amplitude, max(radius, amplitude), np.deg2rad(tilt), 0.05 * amplitude, through, Lattice.draw(rng))


def _broken(linear: np.ndarray, relief: Relief, grain: Grain, rng: np.random.Generator) -> Layer:
    """The inside of the material: its mean colour, paler, cloudy."""
    cloudy = grain()
    mean = linear.reshape(-1, 3).mean(0)
    inner = 0.5 * mean + 0.5 * mean.mean() * np.array([1.06, 1.0, 0.9], np.float32)
    tint = np.clip(inner * rng.uniform(0.9, 1.5) * (1 + 0.25 * cloudy)[..., None], 0, 1)
    return Layer(tint.astype(np.float32), relief.cover * np.float32(0.92))


CHIP = DefectType(
    "chip",
    _chip,
    {"amp_mm": (1.5, 6.0), "radius_mm": (4.0, 12.0), "angle_deg": (25.0, 60.0), "place": "edge"},
    _broken,
    whole_part=True,
)
CUT = DefectType(
    "cut",
    _cut,
    {"amp_mm": (4.0, 14.0), "radius_mm": (6.0, 18.0), "place": "edge"},
    _broken,
    whole_part=True,
    loses_depth=True,
)
