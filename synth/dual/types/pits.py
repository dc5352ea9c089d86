"""Pits: a group of small separate hollows, corroded."""

from __future__ import annotations

import numpy as np

from synth.dual.material import Grain, Layer
from synth.dual.numbers import Numbers
from synth.dual.profiles import Pits, Profile, Relief
from synth.dual.types.kind import DefectType

OXIDES = ((0.20, 0.075, 0.025), (0.085, 0.035, 0.02), (0.16, 0.13, 0.10))


def _draw(numbers: Numbers, rng: np.random.Generator, amplitude: float, metres: float) -> Profile:
    """Centres by dart throwing: more than the sum of both radii apart, within half of length_mm of the seed."""
    wanted = int(rng.integers(numbers.number[0], numbers.number[1] + 1))
    spread = 0.5 * metres * rng.uniform(*numbers.length_mm)
    low, high = (metres * r for r in numbers.radius_mm)
    radii = np.exp(rng.normal(np.log(np.sqrt(max(low, 1e-9) * high)), 0.35, 40 * wanted)).clip(low, high)
    places = rng.uniform(-spread, spread, (40 * wanted, 2))
    free = np.hypot(*places.T) <= spread
    kept: list[int] = []
    while len(kept) < wanted and free.any():
        dart = int(free.argmax())
        kept.append(dart)
        free &= np.hypot(*(places - places[dart]).T) > 1.15 * (radii + radii[dart])
    depths = rng.uniform(0.6, 1.0, len(kept)) * radii[kept] / radii[kept].max()
    return Pits(places[kept], radii[kept], depths / depths.max(), -amplitude)


def _paint(linear: np.ndarray, relief: Relief, grain: Grain, rng: np.random.Generator) -> Layer:
    cloudy = grain()
    oxide = np.array(OXIDES[rng.integers(len(OXIDES))], np.float32)
    tint = oxide * (1 + 0.3 * cloudy)[..., None]
    return Layer(np.clip(tint, 0, 1), relief.cover * np.float32(rng.uniform(0.4, 0.8)))


PITS = DefectType(
    "pits", _draw, {"amp_mm": (0.2, 0.8), "radius_mm": (0.5, 1.6), "length_mm": (6.0, 20.0), "number": (5, 30)}, _paint
)
