"""Wear: polished away, of another gloss."""

from __future__ import annotations

import numpy as np

from synth.dual.material import Grain, Layer
from synth.dual.profiles import Relief
from synth.dual.types.kind import DefectType
from synth.dual.types.spots import spot


def _paint(linear: np.ndarray, relief: Relief, grain: Grain, rng: np.random.Generator) -> Layer:
    """Rubbed: paler and greyer, patchy."""
    cloudy = grain()
    pale = 0.6 * linear.mean(-1, keepdims=True) + 0.4 * linear
    patchy = np.clip(0.55 + 0.5 * cloudy, 0.1, 1) * relief.cover
    strength = np.float32(rng.uniform(0.5, 0.8))
    return Layer(np.clip(pale * 1.25 + 0.06, 0, 1).astype(np.float32), patchy * strength, 0.2, 64.0)


WEAR = DefectType(
    "wear",
    spot(-1),
    {"amp_mm": (0.02, 0.12), "radius_mm": (4.0, 15.0), "profile": ("flat",), "ragged": 0.35, "min_snr": 0.0},
    _paint,
)
