"""Spots: round to oval, raised or pressed in. Bulge, dent, hole and through hole differ by their numbers alone."""

from __future__ import annotations

import numpy as np

from synth.dual.material import darkened
from synth.dual.numbers import Numbers
from synth.dual.profiles import Profile, Spot, log_uniform
from synth.dual.types.kind import DefectType, Draw
from synth.noise import Lattice


def spot(sign: int, through: bool = False) -> Draw:
    """Draws one spot, raised (+1) or pressed in (-1); `through`: nothing is left of the surface."""

    def draw(numbers: Numbers, rng: np.random.Generator, amplitude: float, metres: float) -> Profile:
        return Spot(
            kernel=numbers.profile[rng.integers(len(numbers.profile))],
            radius=metres * log_uniform(rng, numbers.radius_mm),
            amplitude=sign * amplitude,
            aspect=rng.uniform(*numbers.aspect),
            turn=rng.uniform(0, np.pi),
            skew=rng.uniform(-numbers.skew, numbers.skew),
            skew_turn=rng.uniform(0, 2 * np.pi),
            ragged=numbers.ragged,
            through=through,
            mound=rng.uniform(0.3, 1.0),
            outline=Lattice.draw(rng),
        )

    return draw


_SMOOTH = {"amp_mm": (0.8, 3.0), "radius_mm": (2.0, 9.0), "skew": 0.25}

BULGE = DefectType("bulge", spot(1), {**_SMOOTH, "profile": ("cosine", "gauss", "mound")})
DENT = DefectType("dent", spot(-1), {**_SMOOTH, "profile": ("cosine", "gauss", "crater", "sphere")})
HOLE = DefectType(
    "hole",
    spot(-1),
    {"amp_mm": (2.0, 8.0), "radius_mm": (1.5, 6.0), "aspect": (1.0, 1.3), "profile": ("flat",), "ragged": 0.08},
    darkened(0.35, 0.7),
)
THROUGH_HOLE = DefectType(
    "through_hole",
    spot(-1, through=True),
    {"radius_mm": (1.5, 6.0), "aspect": (1.0, 1.4), "profile": ("flat",), "ragged": 0.1},
    darkened(0.02, 0.12),
    loses_depth=True,
)
