"""The `generator:` blocks of the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth.placing.config import PLACEMENT, TURN, Trust, Turn
from synth.printable import shown

Range = tuple[float, float]


def _range(low: float, high: float, help_text: str, unit: str) -> Any:
    return Field((low, high), description=help_text, json_schema_extra={"unit": unit})


class BaselineConfig(BaseModel):
    """What all baselines share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    draw_batch: int = Field(
        8, description="Samples drawn together.", json_schema_extra={"unit": "samples"}, ge=1, le=4096
    )

    @model_validator(mode="after")
    def _ranges_rise(self) -> BaselineConfig:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, tuple) and not 0 < value[0] <= value[1]:
                raise ValueError(f"{name} is {shown(value)}, wanted two positive numbers, the smaller one first")
        return self


class CutPasteConfig(BaselineConfig):
    """CutPaste (Li et al. 2021): a piece of the good image, pasted elsewhere in it."""

    kind: Literal["cutpaste"] = "cutpaste"
    variant: Literal["normal", "scar", "both"] = Field(
        "both", description="Pieces: rectangles, thin turned strips, or each half of the time."
    )
    area: Range = _range(0.02, 0.15, "Size of a rectangle.", "share of the image")
    aspect: Range = _range(0.3, 3.3, "Height over width of a rectangle.", "ratio")
    scar_length: Range = _range(10, 25, "Length of a strip.", "1/256 of the shorter side")
    scar_width: Range = _range(2, 16, "Width of a strip.", "1/256 of the shorter side")
    jitter: float = Field(
        0.1, description="Largest change of the piece's colours.", json_schema_extra={"unit": "share"}, ge=0, le=1
    )


class PerlinConfig(BaselineConfig):
    """Perlin-noise blots of a foreign texture, as DRAEM (Zavrtanik et al. 2021) makes them."""

    kind: Literal["perlin"] = "perlin"
    textures: Path | None = Field(
        None, description="Folder of texture images; none = other good parts, cut up, shuffled and recoloured."
    )
    max_frequency: int = Field(
        6,
        description="Noise cells along an axis: 1 to 2 to this power.",
        json_schema_extra={"unit": "power of 2"},
        ge=0,
        le=8,
    )
    threshold: float = Field(0.5, description="Noise above which a pixel is defect.", gt=0, lt=1)
    opacity: Range = _range(0.2, 1.0, "Weight of the texture over the good part.", "share")


class CopyPasteConfig(BaselineConfig):
    """The defects of the shots, cut out and pasted onto good images where their surroundings fit."""

    kind: Literal["copy_paste"] = "copy_paste"
    placement: Trust = PLACEMENT
    turn: Turn = TURN
    mirror: bool = Field(True, description="Mirror defects, too, where their surroundings fit mirrored.")
    scale: Range = _range(0.9, 1.1, "Change of the defect's size.", "ratio")
    contrast: Range = _range(0.9, 1.1, "Change of the defect's difference to its surroundings.", "ratio")
    feather: float = Field(
        1.0, description="Softness of its edge (sigma).", json_schema_extra={"unit": "px"}, ge=0, le=20
    )


class OversampleConfig(BaselineConfig):
    """The shots themselves, again and again: what more weight on them does without any new image."""

    kind: Literal["oversample"] = "oversample"
