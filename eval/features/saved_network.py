"""Networks that transformers saved, in a folder or on the Hub: checked before they are built, filled from safetensors.

    config.json          which network, and its sizes
    model.safetensors    its weights

Nothing else of the folder is opened but what a caller names; no code in it is run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import CONFIG_MAPPING

from synth.errors import EvalError
from synth.io.digest import file_sha256
from synth.io.model_files import hub_folder, read_config, tensor_shapes, weights_file

_WEIGHTS = "model.safetensors"
_OWN_WEIGHTS = 50_000_000
"""Weights that a network may have beyond twice those in its file: heads that are trained anew."""
_WRITTEN_BY = ("transformers_version", "_name_or_path")


@dataclass(frozen=True)
class SavedNetwork:
    """A network and the names of its weights that the file lacks or has in another shape; those are random."""

    network: nn.Module
    untrained: tuple[str, ...]


def saved_folder(name: str, more: Sequence[str], wanted: str) -> Path:
    """The folder of this name or of a Hub id; more: files besides config and weights; wanted: what may be given, for
    the message. EvalError where there is none."""
    folder = Path(name)
    if not folder.is_dir():
        folder = hub_folder(name, ("config.json", _WEIGHTS, *more), EvalError, "network", wanted)
    if not (folder / "config.json").is_file():
        raise EvalError(f"no network {name!r}: it holds no config.json; give {wanted}")
    return folder


def open_network(
    folder: Path, kind_of: Callable[[Any], Any], changes: Callable[[Any], Mapping[str, Any]], resized: bool = False
) -> SavedNetwork:
    """The network in a checked folder, in evaluation mode. kind_of: config -> its class; changes: config -> attributes
    to set; resized: whether weights of another shape are left random. EvalError naming the file that is wrong."""
    path = folder / "config.json"
    entries = read_config(path, EvalError)
    weights = weights_file(folder, _WEIGHTS, EvalError)
    stored = sum(math.prod(shape) for shape in tensor_shapes(weights, EvalError).values())
    try:
        config = CONFIG_MAPPING[entries["model_type"]].from_dict(entries)
        for key, value in changes(config).items():
            setattr(config, key, value)
        kind = kind_of(config)
        with torch.device("meta"):
            planned = sum(value.numel() for value in kind(config).parameters())
    except EvalError:
        raise
    except Exception as problem:
        raise EvalError(f"{path} describes no network that can be used here ({_reason(problem)})") from problem
    if planned > 2 * stored + _OWN_WEIGHTS:
        raise EvalError(f"{path} describes {planned} weights, {weights.name} holds {stored}: copy both again")
    try:
        network, info = kind.from_pretrained(
            None,
            config=config,
            state_dict=load_file(weights),
            output_loading_info=True,
            ignore_mismatched_sizes=resized,
            dtype=torch.float32,
        )
    except Exception as problem:
        raise EvalError(f"{weights} does not fit {path.name} ({_reason(problem)}): copy both again") from problem
    others = [*info["missing_keys"], *(key[0] if isinstance(key, tuple) else key for key in info["mismatched_keys"])]
    return SavedNetwork(network.eval(), tuple(sorted(others)))


def require_trained(saved: SavedNetwork, folder: Path, unused: Sequence[str]) -> None:
    """EvalError where the file in `folder` lacks weights; unused: parts of the names of those that may be lacking."""
    missing = [name for name in saved.untrained if not any(part in name for part in unused)]
    if missing:
        raise EvalError(f"{folder / _WEIGHTS} lacks the weights {missing[0]}: copy it again")


def described(folder: Path) -> dict[str, Any]:
    """What a fingerprint of the network in a folder is made from: its config, but for who wrote it, and the sha256 of
    its weights. Unlike the network, neither changes with the version of transformers."""
    entries = read_config(folder / "config.json", EvalError)
    config = {key: value for key, value in entries.items() if key not in _WRITTEN_BY}
    return {"config": config, "weights": file_sha256(folder / _WEIGHTS)}


def _reason(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
