"""Backbones of transformers as feature networks: DINOv2, ConvNeXt, ResNet, Swin and others with a Backbone class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import MODEL_FOR_BACKBONE_MAPPING, AutoConfig
from transformers.utils import cached_file

from eval.features.network import FeatureNetwork
from synth.errors import EvalError

_PREPROCESSING = "preprocessor_config.json"


def load_pretrained(name: str, folder: Path) -> FeatureNetwork:
    """The backbone saved in `folder`, or with the Hub id `name`; the last two of its stages. EvalError where there is
    none, or no Backbone class for it."""
    source = str(folder) if folder.is_dir() else name
    try:
        # Not AutoBackbone.from_pretrained: it takes a folder for a Hub id (seen in 5.23).
        config = AutoConfig.from_pretrained(source)
        config.out_indices = [len(config.stage_names) - 2, len(config.stage_names) - 1]
        backbone = MODEL_FOR_BACKBONE_MAPPING[type(config)].from_pretrained(source, config=config).eval()
        settings = _preprocessing(source)
    except (OSError, ValueError, KeyError, AttributeError) as problem:
        reason = str(problem).splitlines()[0]
        raise EvalError(
            f"no feature network {name!r} ({reason}): give tiny_base, the folder of a backbone saved by transformers, "
            "or a Hub id such as facebook/dinov2-small"
        ) from problem
    mean, deviation = (torch.tensor(settings[key])[:, None, None] for key in ("image_mean", "image_std"))

    def maps(pixels: Tensor) -> list[Tensor]:
        return list(backbone((pixels - mean) / deviation).feature_maps)

    return FeatureNetwork(folder.name, _side(settings), maps)


def _preprocessing(source: str) -> dict[str, Any]:
    inside = Path(source) / _PREPROCESSING
    path = inside if Path(source).is_dir() else Path(cached_file(source, _PREPROCESSING))
    return json.loads(path.read_text(encoding="utf-8"))


def _side(settings: dict[str, Any]) -> int:
    """The side in px that the network was trained at, from its crop, else from its resizing."""
    size = settings.get("crop_size") or settings["size"]
    return int(size if isinstance(size, int) else size.get("height") or size["shortest_edge"])
