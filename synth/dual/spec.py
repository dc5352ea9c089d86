"""What a defect may look like: one `DefectSpec` a type; what types there are says `synth.dual.types`."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, WithJsonSchema

from synth.dual.numbers import Numbers
from synth.dual.profiles import Profile, log_uniform
from synth.dual.types import TYPES, DefectType
from synth.suggest import did_you_mean


def _known(name: str) -> str:
    if name in TYPES:
        return name
    raise ValueError(f"defect type {name!r} is unknown; {did_you_mean(name, TYPES)}")


TypeName = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(TYPES)})]
"""The name of a type of `synth.dual.types`."""


class DefectSpec(Numbers):
    """How defects of one type are drawn; `DefectSpec.of(type)` gives the type's own defaults."""

    type: TypeName = Field(description="What kind of flaw.")

    @classmethod
    def of(cls, name: str, **changes: Any) -> DefectSpec:
        """The defaults of a type with some values changed."""
        defaults = TYPES[name].defaults if name in TYPES else {}
        return cls.model_validate({"type": name, **defaults, **changes})

    @property
    def kind(self) -> DefectType:
        """What its type declares."""
        return TYPES[self.type]


def draw_profile(spec: DefectSpec, shape: np.random.Generator, height: np.random.Generator, factor: float) -> Profile:
    """One profile of a spec. `factor` multiplies all lengths (see `Numbers.size_factor`); the streams for shape and
    height are separate, so that another height leaves the outline as it is."""
    metres = 1e-3 * factor
    return spec.kind.draw(spec, shape, metres * log_uniform(height, spec.amp_mm), metres)
