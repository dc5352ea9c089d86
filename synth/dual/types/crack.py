"""Crack: a jagged, branching, dark line; where it is narrow and deep, nothing returns."""

from __future__ import annotations

import numpy as np

from synth.dual.curves import crack
from synth.dual.material import darkened
from synth.dual.numbers import Numbers
from synth.dual.profiles import Profile, Stroke, log_uniform
from synth.dual.types.kind import DefectType


def _draw(numbers: Numbers, rng: np.random.Generator, amplitude: float, metres: float) -> Profile:
    width = metres * log_uniform(rng, numbers.width_mm)
    course = crack(metres * log_uniform(rng, numbers.length_mm), 0.5 * width, numbers.branches, rng)
    return Stroke("crack", course, -amplitude, 0.1, open_beyond=2 * width)


CRACK = DefectType(
    "crack",
    _draw,
    {"amp_mm": (0.8, 5.0), "width_mm": (0.4, 1.2), "length_mm": (12.0, 50.0), "place": "flat"},
    darkened(0.12, 0.4),
    loses_depth=True,
)
