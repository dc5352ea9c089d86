"""The `generator: {kind: dual}` block of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth.dual.numbers import Difficulty
from synth.dual.spec import DefectSpec, TypeName
from synth.suggest import did_you_mean


class DualConfig(BaseModel):
    """The dual-modality synthesizer: learns nothing, needs good samples with geometry alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["dual"] = "dual"
    types: tuple[TypeName, ...] = Field(
        ("dent", "bulge", "pits", "hole", "crack", "scratch", "chip", "deposit", "stain"),
        description="Defect types to make.",
        min_length=1,
    )
    defects: dict[str, dict[str, Any]] = Field(
        {}, description="Changes to the defaults of a type, by its name, such as {dent: {amp_mm: [1, 2]}}."
    )
    difficulty: Difficulty | None = Field(
        None, description="Set heights by signal-to-noise, and shrink; none = the ranges in millimetres."
    )
    baseline_mm: float = Field(
        100.0,
        description="From the camera to the sensor's projector, along the rows; 0 = it throws no shadows.",
        json_schema_extra={"unit": "mm"},
        ge=-500,
        le=500,
    )
    partial_view: bool = Field(
        False,
        description="Of point clouds, keep what a scanner sees from one random side that shows the defect; RGB-D scans "
        "are seen from one side already.",
    )
    legal_region: Path | None = Field(
        None,
        description="Image that is white where defects may lie on scans, all of one camera; none = the whole part.",
    )
    draw_batch: int = Field(8, description="Samples drawn together.", json_schema_extra={"unit": "samples"}, ge=1)

    @model_validator(mode="after")
    def _specs_are_sound(self) -> DualConfig:
        for name in self.defects:
            if name not in self.types:
                raise ValueError(f"defects names {name!r}, which is not among types; {did_you_mean(name, self.types)}")
        self.specs()
        return self

    def specs(self) -> dict[str, DefectSpec]:
        """The spec of each type, by name."""
        shared = {} if self.difficulty is None else {"difficulty": self.difficulty}
        return {name: DefectSpec.of(name, **{**shared, **self.defects.get(name, {})}) for name in self.types}
