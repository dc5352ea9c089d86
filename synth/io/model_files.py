"""The files of a trained network that somebody else made, read within limits and without running any of its code.

Every function takes the class of the error that it raises; each message names the file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from synth.errors import FlawsmithError
from synth.io.regular import regular_file

JSON_LIMIT = 4 << 20
"""Bytes of a config at most."""
WEIGHTS_LIMIT = 16 << 30
"""Bytes of a file of weights at most."""
_NUMBER_LIMIT = 200_000
_LIST_LIMIT, _NAMES_LIMIT = 100, 30_000
_NESTED_LIMIT = 4
_PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5")
_RUNS_OR_FETCHES = {
    "auto_map",
    "quantization_config",
    "attn_implementation",
    "_attn_implementation",
    "experts_implementation",
    "use_kernels",
    "use_timm_backbone",
    "use_pretrained_backbone",
    "backbone",
}
"""Entries of a config by which libraries run code of the folder or fetch something."""

Error = type[FlawsmithError]


def read_json(path: Path, error: Error, limit: int = JSON_LIMIT) -> dict[str, Any]:
    """The object in a JSON file of at most `limit` bytes."""
    regular_file(path, limit, error)

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number")

    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except (OSError, ValueError, RecursionError) as problem:
        raise error(f"{path} cannot be read as JSON ({problem}): copy it again") from problem
    if not isinstance(found, dict):
        raise error(f"{path} holds {_kind(found)}, wanted an object of named values: name another model")
    return found


def read_config(path: Path, error: Error, layers: int = 100) -> dict[str, Any]:
    """A network's config whose sizes are such that the network can be built: numbers up to 200,000, of layers up to
    `layers` in all levels together, lists of up to 100 values, objects of up to 30,000, nested four deep; without
    entries that run code or fetch something."""
    config = read_json(path, error)
    for key, value in _entries(config, path, error):
        if key in _RUNS_OR_FETCHES and value:
            raise error(f"{path}: {key} is {value!r}, which may run code or fetch files: remove it")
        most = _LIST_LIMIT if isinstance(value, list) else _NAMES_LIMIT
        if isinstance(value, list | dict) and len(value) > most:
            raise error(f"{path}: {key} has {len(value)} entries, wanted at most {most}")
        if isinstance(value, int | float) and not -_NUMBER_LIMIT <= value <= _NUMBER_LIMIT:
            raise error(f"{path}: {key} is {value}, wanted at most {_NUMBER_LIMIT}")
        count = sum(each for each in (value if isinstance(value, list) else [value]) if isinstance(each, int))
        if re.search("layers|depth|blocks", key) and count > layers:
            raise error(f"{path}: {key} makes {count} layers, wanted at most {layers}")
    return config


def weights_file(folder: Path, name: str, error: Error) -> Path:
    """The safetensors file of this name; `error` where there are other weights only, by name where they are pickled."""
    path = folder / name
    if not path.exists():
        others = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        pickled = [entry for entry in others if entry.endswith(_PICKLED)]
        if pickled:
            raise error(
                f"{folder / pickled[0]} is pickled, which can run code when it is read: convert it to {name} "
                "(load it where it was made and call save_pretrained with safe_serialization=True)"
            )
    return regular_file(path, WEIGHTS_LIMIT, error)


def tensor_shapes(path: Path, error: Error) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of a safetensors file; reads its header alone."""
    from safetensors import SafetensorError, safe_open

    regular_file(path, WEIGHTS_LIMIT, error)
    try:
        with safe_open(path, framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as problem:
        raise error(f"{path} cannot be read as safetensors ({problem}): copy it again") from problem


def check_shapes(
    path: Path, stored: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]], error: Error
) -> None:
    """`error` where tensors are missing, unknown or of another shape than the network's."""
    missing, unknown = sorted(wanted.keys() - stored.keys()), sorted(stored.keys() - wanted.keys())
    if missing or unknown:
        what = f"lacks the tensor {missing[0]}" if missing else f"holds a tensor {unknown[0]} that has no place"
        raise error(f"{path} {what}: it does not belong to the config beside it; copy both again")
    for name, shape in wanted.items():
        if stored[name] != shape:
            raise error(f"{path}: {name} has shape {stored[name]}, wanted {shape} by the config beside it")


def hub_folder(name: str, patterns: Sequence[str], error: Error, what: str, wanted: str) -> Path:
    """The files of a Hub repository that match the patterns, fetched or taken from the cache. For the message: what is
    looked for and all that may be given."""
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or ".." in name:
        raise error(f"no {what} {name!r}: no such folder; give {wanted}")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except Exception as problem:
        # Each way of having no network, no such repository or no right to it has a class of its own.
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise error(f"no {what} {name!r}: no such folder or Hub repository ({reason}); give {wanted}") from problem


def _entries(config: Mapping[str, Any], path: Path, error: Error) -> Iterator[tuple[str, Any]]:
    """(key, value) of every entry at any depth; values of lists under the key of the list."""
    waiting: list[tuple[str, Any, int]] = [(key, value, 0) for key, value in config.items()]
    while waiting:
        key, value, depth = waiting.pop()
        yield key, value
        if depth > _NESTED_LIMIT:
            raise error(f"{path}: {key} is nested more than {_NESTED_LIMIT} deep")
        if isinstance(value, float) and not math.isfinite(value):
            raise error(f"{path}: {key} is not finite")
        if isinstance(value, dict):
            waiting += [(inner, each, depth + 1) for inner, each in value.items()]
        elif isinstance(value, list):
            waiting += [(key, each, depth + 1) for each in value]


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}.get(type(value), "a number")
