"""The `checks:` block of a recipe: what a candidate must show before it is accepted."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def _share(default: float, help_text: str) -> Any:
    return Field(default, description=help_text, json_schema_extra={"unit": "share"}, ge=0, le=1)


class ChecksConfig(BaseModel):
    """Thresholds of `synth.checks.mask`; 0 (for max_area and max_unchanged: 1) switches a check off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_area: int = Field(10, description="Smallest mask.", json_schema_extra={"unit": "px"}, ge=1)
    max_area: float = _share(0.6, "Largest mask, as a share of the image.")
    min_on_product: float = _share(
        0.8, "Share of the mask that lies on the product; not checked where the product's region is not known."
    )
    max_misfit: float = Field(
        1.0,
        description="How badly the surroundings of a defect may fit those of the shots of its type, as a multiple of "
        "how badly those fit their best places on good images.",
        json_schema_extra={"unit": "ratio"},
        ge=0,
    )
    min_contrast: float = Field(
        8.0,
        description="Least change of the most changed tenth of the mask against the good image it started from.",
        json_schema_extra={"unit": "grey levels"},
        ge=0,
        le=255,
    )
    min_agreement: float = _share(
        0.85, "Share of the change, where it is half as strong as the defect's or more, that lies inside the mask."
    )
    min_tight: float = _share(0.5, "Share of the mask's rim that changed at least a quarter as much as the defect did.")
    max_unchanged: float = _share(
        0.08, "Share of the mask in pieces and wide zones that did not change, or are the good image's own; 1 = any."
    )
    min_covered: float = _share(0.2, "Share of the mask whose pixels have visibly changed.")
    min_confidence: float = _share(0.5, "Mean certainty of the mask's pixels, as the generator states it.")
