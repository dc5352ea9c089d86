"""The registry of segmenters: the config of each, and what builds its network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from eval.segmenters.config import (
    BiSeNetV2Config,
    LfdConfig,
    LiteUnetConfig,
    SegFormerConfig,
    TrainingConfig,
    UPerNetConfig,
)
from synth.errors import EvalError
from synth.suggest import did_you_mean

if TYPE_CHECKING:
    from torch import nn


def _bisenetv2(config: Any) -> nn.Module:
    from eval.segmenters.bisenetv2 import BiSeNetV2

    return BiSeNetV2(config.width)


def _lfd(config: Any) -> nn.Module:
    from eval.segmenters.lfd import Lfd

    return Lfd(config.width)


def _lite_unet(config: Any) -> nn.Module:
    from eval.segmenters.lite_unet import LiteUnet

    return LiteUnet()


def _upernet(config: Any) -> nn.Module:
    from eval.segmenters.transformers_networks import build_upernet

    return build_upernet(config)


def _segformer(config: Any) -> nn.Module:
    from eval.segmenters.transformers_networks import build_segformer

    return build_segformer(config)


SEGMENTERS: dict[str, tuple[type[TrainingConfig], Callable[[Any], nn.Module]]] = {
    "bisenetv2": (BiSeNetV2Config, _bisenetv2),
    "lfd": (LfdConfig, _lfd),
    "lite_unet": (LiteUnetConfig, _lite_unet),
    "upernet": (UPerNetConfig, _upernet),
    "segformer": (SegFormerConfig, _segformer),
}
"""Name -> its config and what builds its network: images (B, 3, H, W) -> logits (B, 1, H, W), the main ones first."""


def configure(name: str, **params: Any) -> TrainingConfig:
    """The config of a segmenter with these parameters. EvalError for an unknown name, parameter or value."""
    if name not in SEGMENTERS:
        raise EvalError(f"segmenter {name!r} is unknown; {did_you_mean(name, SEGMENTERS)}")
    schema = SEGMENTERS[name][0]
    for key in params:
        if key not in schema.model_fields:
            raise EvalError(f"{name} has no parameter {key}; {did_you_mean(key, schema.model_fields)}")
    try:
        return schema(**params)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        message = str(first["msg"]).removeprefix("Input should be ")
        raise EvalError(f"{name}: {first['loc'][0]} is {first['input']!r}, wanted {message}") from wrong
