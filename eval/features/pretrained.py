"""Backbones of transformers as feature networks: DINOv2, ConvNeXt, ResNet, Swin and others with a Backbone class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import MODEL_FOR_BACKBONE_MAPPING

from eval.features.network import FeatureMaps, FeatureNetwork, averaged, chosen, fingerprint
from eval.features.saved_network import open_network, saved_folder
from synth.errors import EvalError
from synth.io.model_files import read_json

_PREPROCESSING = "preprocessor_config.json"
_WANTED = (
    "tiny_base, efficientnet_lite0, random, FILE.onnx, the folder of a backbone saved by transformers, or a Hub id such "
    "as facebook/dinov2-small"
)
_SIDES = range(16, 2049)
_STARTS_AT_ONE = "hidden_states_norms"
"""Norms that only the Backbone classes have; classifiers are saved without them."""


def load_pretrained(name: str, levels: Sequence[int] | None = None) -> FeatureNetwork:
    """The backbone saved in the folder `name`, or with that Hub id; levels: of its stages, 0 being the stem, the last
    two unless others are given. EvalError where there is none, no Backbone class for it, or a file of it is damaged or
    of another kind."""
    folder = saved_folder(name, [_PREPROCESSING], _WANTED)
    settings = read_json(folder / _PREPROCESSING, EvalError)
    path = folder / _PREPROCESSING
    mean, deviation = (_colours(settings, key, path) for key in ("image_mean", "image_std"))
    side = _side(settings, path)

    def stages(config: Any) -> dict[str, Any]:
        count = len(config.stage_names)
        return {"out_indices": list(chosen(levels, count, (count - 2, count - 1), name, "stage"))}

    saved = open_network(folder, lambda config: MODEL_FOR_BACKBONE_MAPPING[type(config)], stages)
    untrained = [name for name in saved.untrained if _STARTS_AT_ONE not in name]
    if untrained:
        raise EvalError(f"{folder / 'model.safetensors'} lacks the weights {untrained[0]}: copy it again")

    def maps(pixels: Tensor) -> FeatureMaps:
        return averaged(saved.network((pixels - mean) / deviation).feature_maps)

    network = saved.network
    described = {"config": network.config.to_dict(), "mean": mean.tolist(), "deviation": deviation.tolist()}
    return FeatureNetwork(Path(name).name, side, maps, 1, fingerprint(described, network.state_dict()))


def _colours(settings: dict[str, Any], key: str, path: Path) -> Tensor:
    """Three numbers, one a colour, (3, 1, 1)."""
    values = settings.get(key)
    if not isinstance(values, list) or len(values) != 3 or not all(_is_finite(value) for value in values):
        raise EvalError(f"{path}: {key} is {values!r}, wanted three numbers: copy it again")
    if key == "image_std" and min(values) <= 0:
        raise EvalError(f"{path}: {key} is {values!r}, wanted numbers above 0: copy it again")
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def _side(settings: dict[str, Any], path: Path) -> int:
    """The side in px that the network was trained at, from its crop, else from its resizing."""
    size = settings.get("crop_size") or settings.get("size")
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    if not isinstance(size, int) or size not in _SIDES:
        raise EvalError(f"{path}: size is {size!r}, wanted a side of {_SIDES[0]} to {_SIDES[-1]} px")
    return size


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
