"""States of an interrupted training, on disk: one safetensors file a checkpoint, complete or passed over.

    <folder>/<stage>-000200.safetensors      tensors by name after 200 steps; in the header notes (JSON) and a sha256

A file is written under a temporary name, flushed to disk and renamed; the two newest of a stage are kept. The sha256
covers names, shapes, types and bytes of all tensors and the notes, so a damaged file is not taken for a state.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from synth.errors import FlawsmithError, GeneratorError
from synth.io.atomic import replacing, share
from synth.io.json_text import json_text

KEPT = 2
SLOTS = frozenset({"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer"})
"""What Adam and SGD keep of a parameter; in a state, other entries such as the parameter itself end in its name too."""
State = dict[str, Tensor]
Notes = dict[str, Any]
"""What a state holds besides tensors; written as JSON."""


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` steps."""

    step: int
    tensors: State
    notes: Notes


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one stage of one training. fingerprint: of all that its result depends on; error: raised
    where a file belongs to another training; report: called with a sentence for each damaged file; writes: whether this
    process is the one that saves, of several that train together."""

    folder: Path
    stage: str
    fingerprint: str
    error: type[FlawsmithError] = GeneratorError
    report: Callable[[str], None] = lambda _text: None
    writes: bool = True

    def save(self, step: int, tensors: Mapping[str, Tensor], notes: Notes | None = None) -> None:
        """Keep the state reached after `step` steps; drops all but the newest two."""
        header = {"step": step, "fingerprint": self.fingerprint, "notes": notes or {}}
        write_state(self.folder / f"{self.stage}-{step:06d}.safetensors", tensors, header)
        for old in self._files()[:-KEPT]:
            old.unlink(missing_ok=True)

    def latest(self) -> Checkpoint | None:
        """The newest intact state, or None. Raises `error` if it belongs to another training."""
        for path in reversed(self._files()):
            found = read_state(path)
            if found is None:
                self.report(f"{path.name} is damaged: resumed from before it")
                continue
            tensors, header = found
            if header["fingerprint"] != self.fingerprint:
                raise self.error(
                    f"{path} belongs to a training with another base, other images or settings, or of an "
                    f"earlier version: delete {self.folder.parent} or name another output folder"
                )
            return Checkpoint(header["step"], tensors, header["notes"])
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"{self.stage}-*.safetensors"))


def write_state(path: Path, tensors: Mapping[str, Tensor], notes: Notes | None = None) -> None:
    """A safetensors file with notes and a sha256 in its header, complete as soon as it has its name."""
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = json_text(notes or {})
    size = sum(value.numel() * value.element_size() for value in plain.values())
    with replacing(path, size) as temporary:
        save_file(plain, temporary, metadata={"notes": text, "sha256": _sha256(plain, text)})
        share(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())


def read_state(path: Path) -> tuple[State, Notes] | None:
    """Tensors and notes that `write_state` wrote; None where the file is absent, torn or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        intact = _sha256(tensors, header["notes"]) == header["sha256"]
        return (tensors, json.loads(header["notes"])) if intact else None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return None


def optimizer_state(optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str]) -> State:
    """Every tensor of the optimiser's state as `slot/parameter`; names: parameter -> its name."""
    return {
        f"{slot}/{names[parameter]}": value
        for parameter, slots in optimizer.state.items()
        for slot, value in slots.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str], state: Mapping[str, Tensor]
) -> None:
    """Inverse of `optimizer_state`; other entries of `state` are ignored."""
    by_name = {name: parameter for parameter, name in names.items()}
    slots: dict[Tensor, dict[str, Any]] = {}
    for key, value in state.items():
        slot, _, name = key.partition("/")
        if name in by_name and slot in SLOTS:
            parameter = by_name[name]
            if value.shape == parameter.shape and slot != "step":
                # laid out in memory like the parameter: fused optimisers walk both side by side
                value = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
            slots.setdefault(parameter, {})[slot] = value
    for parameter, values in slots.items():
        optimizer.state[parameter] = values


def _sha256(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
