"""What every detector is given: its features, where it looks at images by them, and the size at which it does."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Modality = Literal["image", "xyz", "image+xyz"]


class BaseConfig(BaseModel):
    """Of a detector that looks at pixels and points themselves. side: images are resized to about side * side px with
    the aspect of the first good image, or to a square; 256 px by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int | None = Field(None, ge=16, le=4096)
    square: bool = False
    seed: int = Field(0, ge=0)


class DetectorConfig(BaseConfig):
    """features: a network of `eval.features.create`, or "auto": EfficientNet-Lite0 where the extra `imagenet` is
    installed, else `tiny_base`. levels: which of its levels, its own choice by default. side: the network's own by
    default."""

    features: str = "auto"
    levels: tuple[int, ...] | None = None


class MultimodalConfig(DetectorConfig):
    """modality: what is looked at; points: a network of `eval.features.create_points`."""

    modality: Modality = "image"
    points: str = "fpfh"

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset(self.modality.split("+"))
