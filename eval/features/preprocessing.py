"""What a network saved by transformers wants of its images: preprocessor_config.json, read without its classes, some of
which need torchvision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synth.errors import EvalError
from synth.io.model_files import read_json

FILE = "preprocessor_config.json"
_SIDES = range(16, 2049)


@dataclass(frozen=True)
class Preprocessing:
    """Colours (3, 1, 1) that are taken off and divided by, of values in [0, 1], and the side in px."""

    mean: Tensor
    deviation: Tensor
    side: int

    def __call__(self, pixels: Tensor) -> Tensor:
        return (pixels - self.mean) / self.deviation

    def settings(self) -> dict[str, Any]:
        """What a fingerprint is made from; the side is the caller's."""
        return {"mean": self.mean.flatten().tolist(), "deviation": self.deviation.flatten().tolist()}


def read_preprocessing(folder: Path) -> Preprocessing:
    """The preprocessing of the network in a folder. EvalError naming the file where it describes none."""
    path = folder / FILE
    settings = read_json(path, EvalError)
    if settings.get("do_normalize") is False:
        settings |= {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    mean, deviation = _colours(settings, "image_mean", path), _colours(settings, "image_std", path)
    return Preprocessing(mean, deviation, _side(settings, path))


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
