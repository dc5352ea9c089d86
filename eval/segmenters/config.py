"""How a segmenter is trained, and the few choices that are a network's own."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TrainingConfig(BaseModel):
    """What all segmenters share. Rates follow a half cosine to a hundredth after a short rise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: int = Field(
        128, description="Images, or tiles, are resized to this side, in px.", ge=32, multiple_of=32
    )
    tile: int | None = Field(
        None,
        description="Side in px of the windows of an image that are learnt from and predicted by; none: whole images.",
        ge=32,
    )
    steps: int = Field(600, description="Optimiser steps.", ge=1)
    batch: int = Field(8, description="Images a step.", ge=2)
    synthetic_share: float = Field(
        0.25,
        description="Share of a batch that is synthetic, in place of good images; 0 leaves them out.",
        ge=0,
        le=0.5,
    )
    anneal: float = Field(
        0.25, description="Last part of the steps, over which the synthetic share falls to zero.", ge=0, le=1
    )
    learning_rate: float = Field(3e-3, description="Highest rate of AdamW.", gt=0)
    weight_decay: float = Field(1e-2, description="Weight decay of AdamW.", ge=0)
    loss: Literal["bce_dice", "ohem", "focal_tversky"] = Field(
        "bce_dice", description="A loss of eval.segmenters.losses."
    )
    validate_every: int = Field(
        100, description="Steps between two checkpoints, and two looks at the validation images.", ge=1
    )
    seed: int = Field(0, description="Start of weights, order and augmentation.", ge=0)


class ConvolutionalConfig(TrainingConfig):
    """What the two convolutional networks share."""

    width: float = Field(0.5, description="Channels, as a share of the published ones.", gt=0, le=2)
    start: Literal["marks", "random"] = Field(
        "marks",
        description="First weights: those that know procedural marks, which the package has for width 0.5, or random.",
    )


class BiSeNetV2Config(ConvolutionalConfig):
    """BiSeNetV2."""


class LfdConfig(ConvolutionalConfig):
    """The light network."""


class UPerNetConfig(TrainingConfig):
    """UPerNet of transformers."""

    learning_rate: float = Field(3e-4, description="Highest rate of AdamW.", gt=0)
    backbone: Literal["convnext", "resnet", "swin"] = Field("convnext", description="Kind of backbone.")
    size: Literal["small", "base"] = Field("small", description="small trains on a CPU; base is the published size.")
    weights: str | None = Field(None, description="Folder or Hub id of a trained UPerNet to start from.")


class SegFormerConfig(TrainingConfig):
    """SegFormer of transformers."""

    learning_rate: float = Field(3e-4, description="Highest rate of AdamW.", gt=0)
    size: Literal["b0", "b1", "b2"] = Field("b0", description="One of the published sizes.")
    weights: str | None = Field(None, description="Folder or Hub id of a trained SegFormer to start from.")


class LiteUnetConfig(TrainingConfig):
    """U-Net on EfficientNet-Lite0."""

    steps: int = Field(300, description="Optimiser steps.", ge=1)
    start: Literal["imagenet", "random"] = Field(
        "imagenet", description="First weights of the encoder: ImageNet's, from the extra `imagenet`, or random."
    )
    encoder_rate: float = Field(0.1, description="Rate of the encoder, as a share of learning_rate.", gt=0, le=1)
