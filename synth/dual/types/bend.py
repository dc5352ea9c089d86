"""Bend: the part turns about a line across it, and the rest goes along."""

from __future__ import annotations

import numpy as np

from synth.dual.numbers import Numbers
from synth.dual.profiles import Hinge, Profile, log_uniform
from synth.dual.types.kind import DefectType


def _draw(numbers: Numbers, rng: np.random.Generator, amplitude: float, metres: float) -> Profile:
    angle = np.deg2rad(rng.uniform(*numbers.angle_deg))
    length = metres * log_uniform(rng, numbers.radius_mm)
    return Hinge(angle, length, 2 * length, amplitude=length * np.sin(angle))


BEND = DefectType(
    "bend",
    _draw,
    {"amp_mm": (0.0, 0.0), "radius_mm": (8.0, 25.0), "angle_deg": (4.0, 15.0), "place": "edge"},
    whole_part=True,
)
