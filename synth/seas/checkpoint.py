"""States of an interrupted training, on disk: one safetensors file a checkpoint, complete or absent.

    <folder>/<stage>-000200.safetensors      parameters, optimiser state and averages after 200 updates

A file is written under a temporary name, flushed to disk and renamed; the two newest of a stage are kept. Its header
names the fingerprint of the base, data and settings it belongs to.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from synth.errors import GeneratorError
from synth.io.atomic import share

KEPT = 2
State = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one stage of one training."""

    folder: Path
    stage: str
    fingerprint: str

    def save(self, update: int, state: Mapping[str, Tensor]) -> None:
        """Keep the state reached after `update` updates; drops all but the newest two."""
        self.folder.mkdir(parents=True, exist_ok=True)
        header = {"update": str(update), "fingerprint": self.fingerprint}
        write_tensors(self.folder / f"{self.stage}-{update:06d}.safetensors", state, header)
        for old in self._files()[:-KEPT]:
            old.unlink(missing_ok=True)

    def latest(self) -> tuple[int, State] | None:
        """The newest readable state and its update, or None. GeneratorError if it belongs to another training."""
        for path in reversed(self._files()):
            with contextlib.suppress(SafetensorError), safe_open(path, framework="pt") as file:
                header = file.metadata()
                if header["fingerprint"] != self.fingerprint:
                    raise GeneratorError(
                        f"{path} belongs to a training with another base, other images or settings, or of an "
                        f"earlier version: delete {self.folder.parent} or name another output folder"
                    )
                return int(header["update"]), {key: file.get_tensor(key) for key in file.keys()}
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"{self.stage}-*.safetensors"))


def write_tensors(path: Path, state: Mapping[str, Tensor], header: Mapping[str, str] | None = None) -> None:
    """A safetensors file that is complete as soon as it has its name."""
    temporary = path.with_suffix(".tmp")
    plain = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    save_file(plain, temporary, metadata=dict(header or {}))
    share(temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


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
        if name in by_name:
            parameter = by_name[name]
            device = value.device if slot == "step" else parameter.device
            slots.setdefault(parameter, {})[slot] = value.to(device)
    for parameter, values in slots.items():
        optimizer.state[parameter] = values
