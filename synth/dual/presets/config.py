"""The `generator: {kind: dual_preset}` block of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.dual.presets import ORGANISED, Organised, Unorganised
from synth.errors import GeneratorError
from synth.suggest import did_you_mean


class DualPresetConfig(BaseModel):
    """Published synthesis schemes for RGB-D scans or for point clouds: learn nothing, need good samples alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["dual_preset"] = "dual_preset"
    schemes: tuple[Organised | Unorganised, ...] = Field(
        ORGANISED,
        description="Schemes to draw by; their names are those of the defects. The default ones are all that work on "
        "RGB-D scans, the others work on point clouds.",
        min_length=1,
    )
    numbers: dict[str, dict[str, Any]] = Field(
        {}, description="Changes to a scheme's numbers, by its name, such as {po3ad: {height: [0.05, 0.1]}}."
    )
    textures: Path | None = Field(
        None, description="Folder of texture images, DTD in the papers; none = the good image, cut up and shuffled."
    )
    draw_batch: int = Field(8, description="Samples drawn together.", json_schema_extra={"unit": "samples"}, ge=1)

    @field_validator("schemes")
    @classmethod
    def _of_one_modality(cls, schemes: tuple[Organised | Unorganised, ...]) -> tuple[Organised | Unorganised, ...]:
        scans = [name for name in schemes if name in ORGANISED]
        if scans and len(scans) < len(schemes):
            others = ", ".join(name for name in schemes if name not in scans)
            raise ValueError(f"{', '.join(scans)} work on RGB-D scans and {others} on clouds; make a recipe for each")
        return schemes

    @model_validator(mode="after")
    def _numbers_are_sound(self) -> DualPresetConfig:
        for name in self.numbers:
            if name not in self.schemes:
                raise ValueError(
                    f"numbers names {name!r}, which is not among schemes; {did_you_mean(name, self.schemes)}"
                )
        if self.numbers or self.textures is not None:
            from synth.dual.presets import scheme

            for name in self.schemes:
                try:
                    scheme(name, **self.of(name))
                except GeneratorError as problem:
                    raise ValueError(str(problem)) from None
        return self

    @property
    def types(self) -> tuple[str, ...]:
        """Names of the defects that are drawn."""
        return self.schemes

    def of(self, name: str) -> dict[str, Any]:
        """The changed numbers of a scheme."""
        shared = {"textures": self.textures} if self.textures is not None and name in ORGANISED else {}
        return {**shared, **self.numbers.get(name, {})}
