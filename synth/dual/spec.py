"""What a defect may look like: one `DefectSpec` a type, with ranges in millimetres.

Ranges are for a part whose bounding box has a diagonal of 100 mm; `scale: size` multiplies them by diagonal / 100 mm.
The numbers are our own choice, none of them is a published method's.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

DefectType = Literal[
    "bulge",
    "dent",
    "pits",
    "hole",
    "through_hole",
    "crack",
    "scratch",
    "chip",
    "cut",
    "bend",
    "deposit",
    "stain",
    "wear",
]
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


class DefectSpec(BaseModel):
    """How defects of one type are drawn; `DefectSpec.of(type)` gives the type's own defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: DefectType = Field(description="What kind of flaw.")
    amp_mm: Range = _mm((0.3, 3.0), "Height or depth, drawn log-uniformly; 0 to 0 = flat.")
    radius_mm: Range = _mm((2.0, 15.0), "Radius of spots, of pits, or of the part that is cut off.")
    width_mm: Range = _mm((0.2, 1.0), "Width of scratches and cracks.")
    length_mm: Range = _mm((5.0, 50.0), "Length of scratches and cracks; spread of a group of pits.")
    aspect: Range = Field((1.0, 2.5), description="Longer over shorter axis of spots.")
    skew: float = Field(0.0, description="Largest lopsidedness of spots, drawn between - and + it.", ge=0, le=0.5)
    profile: tuple[Kernel, ...] = Field(("cosine", "gauss"), description="Sections to draw from.", min_length=1)
    ragged: float = Field(0.15, description="How far outlines wander, as a share of the radius.", ge=0, le=0.5)
    number: tuple[int, int] = Field((1, 1), description="Pits of a group, scratches side by side.")
    branches: float = Field(0.2, description="Chance of a branch at each fifth of a crack.", ge=0, le=1)
    angle_deg: Range = Field((3.0, 25.0), description="Bend, or tilt of a broken face.")
    place: Place = Field("uniform", description="Where: anywhere, where curved, at edges, where flat, or in a mask.")
    count: tuple[int, int] = Field((1, 1), description="Defects of this type in one sample.")
    visible: tuple[Visible, ...] = Field(
        ("both",), description="Modalities that show the defect; one is drawn for each sample.", min_length=1
    )
    texture: float = Field(0.0, description="Chance that a foreign texture covers the defect.", ge=0, le=1)
    scale: Literal["size", "none"] = Field("size", description="Multiply mm by the part's diagonal / 100 mm, or not.")
    difficulty: Difficulty | None = Field(None, description="Set height by a signal-to-noise target, and shrink.")
    min_snr: float = Field(3.0, description="Least height over depth noise; lower draws are raised to it.", ge=0)

    @field_validator("amp_mm", "radius_mm", "width_mm", "length_mm", "aspect", "number", "count", "angle_deg")
    @classmethod
    def _ordered(cls, limits: tuple[Any, Any]) -> tuple[Any, Any]:
        if not 0 <= limits[0] <= limits[1]:
            raise ValueError(f"{limits[0]} to {limits[1]} is no range: give the smaller value first, none below 0")
        return limits

    @classmethod
    def of(cls, kind: str, **changes: Any) -> DefectSpec:
        """The defaults of a type with some values changed."""
        return cls.model_validate({"type": kind, **DEFAULTS[kind], **changes})

    @property
    def geometric(self) -> bool:
        """Whether the type changes the surface."""
        return self.type != "stain"


DEFAULTS: dict[str, dict[str, Any]] = {
    "bulge": {"amp_mm": (0.8, 3.0), "radius_mm": (2.0, 9.0), "skew": 0.25, "profile": ("cosine", "gauss", "mound")},
    "dent": {
        "amp_mm": (0.8, 3.0),
        "radius_mm": (2.0, 9.0),
        "skew": 0.25,
        "profile": ("cosine", "gauss", "crater", "sphere"),
    },
    "pits": {"amp_mm": (0.2, 0.8), "radius_mm": (0.5, 1.6), "length_mm": (6.0, 20.0), "number": (5, 30)},
    "hole": {"amp_mm": (2.0, 8.0), "radius_mm": (1.5, 6.0), "aspect": (1.0, 1.3), "profile": ("flat",), "ragged": 0.08},
    "through_hole": {"radius_mm": (1.5, 6.0), "aspect": (1.0, 1.4), "profile": ("flat",), "ragged": 0.1},
    "crack": {"amp_mm": (0.8, 5.0), "width_mm": (0.4, 1.2), "length_mm": (12.0, 50.0), "place": "flat"},
    "scratch": {
        "amp_mm": (0.1, 0.4),
        "width_mm": (0.4, 1.4),
        "length_mm": (8.0, 50.0),
        "number": (1, 4),
        "place": "flat",
        "min_snr": 0.0,
    },
    "chip": {"amp_mm": (1.5, 6.0), "radius_mm": (4.0, 12.0), "angle_deg": (25.0, 60.0), "place": "edge"},
    "cut": {"amp_mm": (4.0, 14.0), "radius_mm": (6.0, 18.0), "place": "edge"},
    "bend": {"amp_mm": (0.0, 0.0), "radius_mm": (8.0, 25.0), "angle_deg": (4.0, 15.0), "place": "edge"},
    "deposit": {"radius_mm": (1.5, 8.0), "aspect": (1.0, 1.8), "profile": ("mound",), "ragged": 0.3, "texture": 0.1},
    "stain": {"amp_mm": (0.0, 0.0), "radius_mm": (3.0, 14.0), "profile": ("flat",), "ragged": 0.4},
    "wear": {"amp_mm": (0.02, 0.12), "radius_mm": (4.0, 15.0), "profile": ("flat",), "ragged": 0.35, "min_snr": 0.0},
}
"""What differs from the fields' defaults, by type."""
