"""The weights in a checkpoint of Point-MAE, read without running what else a pickle may hold."""

from __future__ import annotations

import _codecs
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from synth.errors import EvalError
from synth.io.model_files import WEIGHTS_LIMIT
from synth.io.regular import reason, regular_file

_UNDER = "base_model"
_PREFIXES = ("module.", "MAE_encoder.")
_NUMBERS: list[Any] = [
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
    np.float64(0).__reduce__()[0],
    np.dtype,
    type(np.dtype(np.float64)),
    (_codecs.encode, "_codecs.encode"),
]
"""What the accuracy is made of that the authors store beside the weights: numbers, no code."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Name -> weight of the encoder, float32, without the prefixes module. and MAE_encoder.; other weights keep theirs.
    EvalError where the file is none of the two, is damaged or wants to run something."""
    regular_file(path, WEIGHTS_LIMIT, EvalError)
    try:
        stored = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except Exception as problem:  # a damaged pickle raises whatever it meets
        raise EvalError(f"{path} cannot be read as a checkpoint of Point-MAE ({reason(problem)})") from problem
    stored = stored.get(_UNDER, stored) if isinstance(stored, dict) else {}
    found = {str(name): value for name, value in stored.items() if isinstance(value, Tensor)}
    for prefix in _PREFIXES:
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def _unpickled(path: Path) -> Any:
    with torch.serialization.safe_globals(_NUMBERS):
        return torch.load(path, map_location="cpu", weights_only=True)
