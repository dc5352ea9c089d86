"""Scratch: grooves side by side with pile-up, bare material in them."""

from __future__ import annotations

import numpy as np

from synth.dual.curves import scratch
from synth.dual.material import Grain, Layer
from synth.dual.numbers import Numbers
from synth.dual.profiles import Profile, Relief, Stroke, log_uniform
from synth.dual.types.kind import DefectType


def _draw(numbers: Numbers, rng: np.random.Generator, amplitude: float, metres: float) -> Profile:
    width = metres * log_uniform(rng, numbers.width_mm)
    strokes = int(rng.integers(numbers.number[0], numbers.number[1] + 1))
    course = scratch(metres * log_uniform(rng, numbers.length_mm), 0.5 * width, strokes, rng)
    return Stroke("scratch", course, -amplitude, rng.uniform(0.2, 0.4))


def _paint(linear: np.ndarray, relief: Relief, grain: Grain, rng: np.random.Generator) -> Layer:
    """Bare substrate in the groove: brighter than the surface, or darker where that is bright; greyer."""
    mean = linear.reshape(-1, 3).mean(0)
    grey = mean.mean()
    bare = (0.3 * mean + 0.7 * grey) * (rng.uniform(1.5, 2.2) if grey < 0.45 else rng.uniform(0.35, 0.6))
    tint = np.broadcast_to(bare.astype(np.float32), linear.shape)
    return Layer(tint, relief.cover * np.float32(rng.uniform(0.5, 0.85)), 0.15, 32.0)


SCRATCH = DefectType(
    "scratch",
    _draw,
    {
        "amp_mm": (0.1, 0.4),
        "width_mm": (0.4, 1.4),
        "length_mm": (8.0, 50.0),
        "number": (1, 4),
        "place": "flat",
        "min_snr": 0.0,
    },
    _paint,
)
