"""`DefectType`: what a defect type declares of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synth.dual.material import Paint, unpainted
from synth.dual.numbers import Numbers
from synth.dual.profiles import Profile

Draw = Callable[[Numbers, np.random.Generator, float, float], Profile]
"""(numbers, rng of the shape, amplitude in metres without sign, metres to a millimetre of the numbers) -> profile."""


@dataclass(frozen=True, slots=True)
class DefectType:
    """One type. `draw`: its profile. `defaults`: where it differs from the fields' defaults of `Numbers`; they are our
    own choice, none is a published method's. `paint`: what colour it has in an image.

    geometric: it changes the surface; otherwise colours alone show it. whole_part: it takes a piece of the part away
    or bends it; on clouds there is one at most, before all others. loses_depth: it may return no depth at all."""

    name: str
    draw: Draw
    defaults: Mapping[str, Any] = field(default_factory=dict)
    paint: Paint = unpainted
    geometric: bool = True
    whole_part: bool = False
    loses_depth: bool = False
