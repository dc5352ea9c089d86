"""What can be said of any defect, whatever its type: ranges in millimetres, where, how many, in which modality.

Ranges are for a part whose bounding box has a diagonal of 100 mm; `scale: size` multiplies them by diagonal / 100 mm.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.printable import shown

Kernel = Literal["cosine", "gauss", "sphere", "crater", "mound", "flat"]
Place = Literal["uniform", "curved", "edge", "flat", "mask"]
Visible = Literal["both", "rgb", "geo"]
Difficulty = Literal["easy", "medium", "hard"]
Range = tuple[float, float]

SIGNAL: dict[Difficulty, Range] = {"easy": (12.0, 30.0), "medium": (6.0, 12.0), "hard": (3.0, 6.0)}
"""Target of largest height / depth noise for each difficulty."""
AREA: dict[Difficulty, float] = {"easy": 1.0, "medium": 0.6, "hard": 0.35}
"""Factor on radii, widths and lengths for each difficulty."""


def _mm(default: Range, help_text: str) -> Any:
    return Field(default, description=help_text, json_schema_extra={"unit": "mm, from and to"})


def refuse_yes(values: Any, schema: type[BaseModel]) -> None:
    """ValueError for a yes or no where the schema wants a number, which pydantic takes for 1 or 0."""
    for name, value in values.items() if isinstance(values, dict) else ():
        info = schema.model_fields.get(name)
        given = value if isinstance(value, list | tuple) else [value]
        if info is not None and info.annotation is not bool and any(isinstance(one, bool) for one in given):
            raise ValueError(f"{name} is {shown(value)}, wanted numbers")


class Numbers(BaseModel):
    """The numbers a defect is drawn from; each type has defaults of its own for some of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amp_mm: Range = _mm((0.3, 3.0), "Height or depth, drawn log-uniformly; 0 to 0 = flat.")
    radius_mm: Range = _mm((2.0, 15.0), "Radius of spots, of pits, or of the part that is cut off.")
    width_mm: Range = _mm((0.2, 1.0), "Width of scratches and cracks.")
    length_mm: Range = _mm((5.0, 50.0), "Length of scratches and cracks; spread of a group of pits.")
    aspect: Range = Field((1.0, 2.5), description="Longer over shorter axis of spots.")
    skew: float = Field(0.0, description="Largest lopsidedness of spots, drawn between - and + it.", ge=0, le=0.5)
    profile: tuple[Kernel, ...] = Field(("cosine", "gauss"), description="Sections to draw from.", min_length=1)
    ragged: float = Field(0.15, description="How far outlines wander, as a share of the radius.", ge=0, le=0.5)
    number: tuple[int, int] = Field((1, 1), description="Pits of a group, scratches side by side.")
    branches: float = Field(0.2, description="Probability of a branch at each fifth of a crack.", ge=0, le=1)
    angle_deg: Range = Field((3.0, 25.0), description="Bend, or tilt of a broken face.")
    place: Place = Field("uniform", description="Where: anywhere, where curved, at edges, where flat, or in a mask.")
    count: tuple[int, int] = Field((1, 1), description="Defects of this type in one sample.")
    visible: tuple[Visible, ...] = Field(
        ("both",), description="Modalities that show the defect; one is drawn for each sample.", min_length=1
    )
    texture: float = Field(0.0, description="Probability that a foreign texture covers the defect.", ge=0, le=1)
    scale: Literal["size", "none"] = Field("size", description="Multiply mm by the part's diagonal / 100 mm, or not.")
    difficulty: Difficulty | None = Field(None, description="Set height by a signal-to-noise target, and shrink.")
    min_snr: float = Field(3.0, description="Least height over depth noise; lower draws are raised to it.", ge=0)

    @model_validator(mode="before")
    @classmethod
    def _no_yes(cls, values: Any) -> Any:
        refuse_yes(values, cls)
        return values

    @field_validator("amp_mm", "radius_mm", "width_mm", "length_mm", "aspect", "number", "count", "angle_deg")
    @classmethod
    def _ordered(cls, limits: tuple[Any, Any]) -> tuple[Any, Any]:
        if not 0 <= limits[0] <= limits[1]:
            raise ValueError(f"{limits[0]} to {limits[1]} is no range: give the smaller value first, none below 0")
        return limits

    def size_factor(self, diagonal: float) -> float:
        """What lengths are multiplied by on a part of that diagonal (metres, 0 = unknown); less for harder defects."""
        by_size = diagonal / 0.1 if self.scale == "size" and diagonal else 1.0
        return by_size * (AREA[self.difficulty] if self.difficulty else 1.0)
