"""UPerNet and SegFormer of transformers, from scratch or from given weights, with one logit a pixel."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import (
    ConvNextConfig,
    ResNetConfig,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SwinConfig,
    UperNetConfig,
    UperNetForSemanticSegmentation,
)

from eval.features.saved_network import open_network, saved_folder
from eval.segmenters.config import SegFormerConfig, UPerNetConfig
from eval.segmenters.layers import enlarge, expect_little
from synth.errors import EvalError

_HEADS = ("decode_head.", "auxiliary_head.")
_STAGES = ["stage1", "stage2", "stage3", "stage4"]
_SMALL: dict[str, Any] = {
    "convnext": lambda: ConvNextConfig(hidden_sizes=[32, 64, 128, 256], depths=[2, 2, 4, 2], out_features=_STAGES),
    "resnet": lambda: ResNetConfig(
        embedding_size=32,
        hidden_sizes=[32, 64, 128, 256],
        depths=[2, 2, 2, 2],
        layer_type="basic",
        out_features=_STAGES,
    ),
    "swin": lambda: SwinConfig(embed_dim=32, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8], out_features=_STAGES),
}
_BASE: dict[str, Any] = {
    "convnext": lambda: ConvNextConfig(hidden_sizes=[96, 192, 384, 768], depths=[3, 3, 9, 3], out_features=_STAGES),
    "resnet": lambda: ResNetConfig(out_features=_STAGES),
    "swin": lambda: SwinConfig(out_features=_STAGES),
}
_DECODER = {"small": 64, "base": 512}
_SEGFORMER: dict[str, dict[str, Any]] = {
    "b0": {},
    "b1": {"hidden_sizes": [64, 128, 320, 512]},
    "b2": {"hidden_sizes": [64, 128, 320, 512], "depths": [3, 4, 6, 3], "decoder_hidden_size": 768},
}


class OneLogit(nn.Module):
    """A segmentation network of transformers with the face of ours: images (B, 3, H, W) -> [logits (B, 1, H, W)]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        return [enlarge(self.network(pixel_values=images).logits, (images.shape[2], images.shape[3]))]


def build_upernet(config: UPerNetConfig) -> nn.Module:
    """UPerNet; its auxiliary head is left out, since transformers shows its logits to its own loss only."""
    if config.weights is not None:
        return _from_weights(UperNetForSemanticSegmentation, config.weights)
    backbone = (_SMALL if config.size == "small" else _BASE)[config.backbone]()
    settings = UperNetConfig(
        backbone_config=backbone, hidden_size=_DECODER[config.size], num_labels=1, use_auxiliary_head=False
    )
    return _from_scratch(UperNetForSemanticSegmentation(settings))


def build_segformer(config: SegFormerConfig) -> nn.Module:
    """SegFormer."""
    if config.weights is not None:
        return _from_weights(SegformerForSemanticSegmentation, config.weights)
    return _from_scratch(SegformerForSemanticSegmentation(SegformerConfig(num_labels=1, **_SEGFORMER[config.size])))


def _from_scratch(network: Any) -> nn.Module:
    expect_little(network.decode_head.classifier)
    return OneLogit(network)


def _from_weights(kind: Any, name: str) -> nn.Module:
    """A trained network with a head for one logit where its own has more. EvalError where there is none, or more than
    the head is missing."""
    folder = saved_folder(name, [], f"the folder or Hub id of a {kind.__name__} as weights")
    saved = open_network(folder, lambda config: _of(kind, config), lambda _config: {"num_labels": 1}, resized=True)
    untrained = [name for name in saved.untrained if not name.startswith(_HEADS)]
    if untrained:
        raise EvalError(f"{folder / 'model.safetensors'} lacks the weights {untrained[0]}: copy it again")
    return OneLogit(saved.network)


def _of(kind: Any, config: Any) -> Any:
    if not isinstance(config, kind.config_class):
        raise ValueError(f"a {config.model_type}, wanted a {kind.__name__}")
    return kind
