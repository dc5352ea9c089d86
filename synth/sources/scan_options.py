"""What a recipe says of organised scans, where it is not left to the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from synth.io.camera import Camera

ScanUnit = Literal["auto", "m", "cm", "mm", "um", "inch"]
Background = Literal["auto", "plane", "none"]


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """camera: "auto", "orthographic", "eyecandies" (depths as that set has them); or, for files that hold depths alone,
    a Camera, or the sides of a pixel in millimetres (row to row, column to column) of heights under parallel rays.

    step: metres that a step of depth stands for, None = `unit`; inferred: `unit` is what other scans suggest;
    viewpoint: where the sensor stood, in the file's frame and unit; background: see `synth.dual.scene.find_table`."""

    unit: ScanUnit = "auto"
    camera: Literal["auto", "orthographic", "eyecandies"] | Camera | tuple[float, float] = "auto"
    step: float | None = None
    viewpoint: tuple[float, float, float] | None = None
    background: Background = "auto"
    inferred: bool = False

    @classmethod
    def of(cls, camera: str | Mapping[str, Any], **others: Any) -> ScanOptions:
        """From plain types, as `source.camera` has them."""
        if isinstance(camera, str):
            return cls(camera=camera, **others)  # type: ignore[arg-type]
        if (pitch := camera.get("pitch_mm")) is not None:
            right, down = pitch if isinstance(pitch, Sequence) else (pitch, pitch)
            return cls(camera=(float(down), float(right)), **others)
        step = camera.get("step_mm")
        numbers = (float(camera[name]) for name in Camera.__slots__)
        return cls(camera=Camera(*numbers), step=None if step is None else 1e-3 * step, **others)


AS_FOUND = ScanOptions()
"""All left to the data."""
