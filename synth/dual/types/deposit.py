"""Deposit: foreign material on top, of its own colour."""

from __future__ import annotations

import numpy as np

from synth.dual.material import Grain, Layer
from synth.dual.profiles import Relief
from synth.dual.types.kind import DefectType
from synth.dual.types.spots import spot

DEPOSITS = ((0.30, 0.13, 0.03), (0.62, 0.60, 0.55), (0.05, 0.045, 0.04), (0.42, 0.37, 0.28), (0.10, 0.16, 0.06))
"""Glue, paint, grease, dust, mould."""


def _paint(linear: np.ndarray, relief: Relief, grain: Grain, rng: np.random.Generator) -> Layer:
    cloudy = grain()
    colour = np.array(DEPOSITS[rng.integers(len(DEPOSITS))], np.float32) * rng.uniform(0.8, 1.25)
    tint = np.clip(colour * (1 + 0.15 * cloudy)[..., None], 0, 1).astype(np.float32)
    return Layer(tint, relief.cover * np.float32(rng.uniform(0.7, 1.0)), rng.uniform(0, 0.3), 32.0)


DEPOSIT = DefectType(
    "deposit",
    spot(1),
    {"radius_mm": (1.5, 8.0), "aspect": (1.0, 1.8), "profile": ("mound",), "ragged": 0.3, "texture": 0.1},
    _paint,
)
