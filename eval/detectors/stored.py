"""A fitted detector on disk: detector.json, which knows its own sha256 and that of state.safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from synth import __version__
from synth.errors import EvalError
from synth.io.atomic import remove, replacing
from synth.io.digest import file_sha256
from synth.io.own import check_free
from synth.io.sealed import read_sealed, write_sealed

WRITTEN, STATE = "detector.json", "state.safetensors"


def write_state(folder: Path, written: dict[str, Any], state: dict[str, Tensor]) -> None:
    """Both files; detector.json comes last and says that the other is whole."""
    check_free(folder, "a detector's", (WRITTEN, STATE))
    remove(folder / WRITTEN)
    with replacing(folder / STATE, sum(tensor.nbytes for tensor in state.values())) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary)
    write_sealed(folder / WRITTEN, {**written, "version": __version__, "state": file_sha256(folder / STATE)})


def read_written(folder: Path) -> dict[str, Any]:
    """What detector.json says. EvalError where the folder holds no detector or the file is damaged."""
    try:
        found = read_sealed(folder / WRITTEN)
    except OSError as problem:
        raise EvalError(f"{folder} holds no saved detector ({WRITTEN}); give a folder that save() wrote") from problem
    except ValueError as problem:
        raise EvalError(f"{folder / WRITTEN} is damaged ({problem}); fit and save again") from problem
    return dict(found)


def read_state(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Both files, the tensors mapped into memory. EvalError where one is missing or damaged."""
    written, path = read_written(folder), folder / STATE
    try:
        if file_sha256(path) != written["state"]:
            raise EvalError(f"{path} is damaged: its sha256 is another; fit and save again")
        with safe_open(path, framework="pt") as opened:
            return written, {name: opened.get_tensor(name) for name in opened.keys()}
    except (OSError, SafetensorError) as problem:
        raise EvalError(f"{path} cannot be read ({problem}); fit and save again") from problem
