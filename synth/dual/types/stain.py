"""Stain: what soaked in and absorbs light; colour alone."""

from __future__ import annotations

import numpy as np

from synth.dual.material import ABSORPTIONS, Grain, Layer
from synth.dual.profiles import Relief
from synth.dual.types.kind import DefectType
from synth.dual.types.spots import spot


def _paint(linear: np.ndarray, relief: Relief, grain: Grain, rng: np.random.Generator) -> Layer:
    """rho exp(-c w): it absorbs unevenly, each channel its own share."""
    cloudy = grain()
    absorbed = np.array(ABSORPTIONS[rng.integers(len(ABSORPTIONS))], np.float32) * rng.uniform(0.8, 1.6)
    density = np.clip(0.8 + 0.45 * cloudy, 0.25, 2)[..., None]
    return Layer((linear * np.exp(-absorbed * density)).astype(np.float32), relief.cover)


STAIN = DefectType(
    "stain",
    spot(1),
    {"amp_mm": (0.0, 0.0), "radius_mm": (3.0, 14.0), "profile": ("flat",), "ragged": 0.4},
    _paint,
    geometric=False,
)
