"""The training loop of both stages: AdamW, warm-up, clipping, averaging, log, and resumption to the last bit.

Every random number of update u comes from a generator seeded by (seed, stage, u, micro-batch), and a checkpoint holds
parameters, optimiser state and averages; so where a process was killed leaves no trace in the result.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from synth.errors import RunError
from synth.generators import Progress
from synth.seas.checkpoint import Checkpoints, State, optimizer_state, restore_optimizer

Losses = Callable[[torch.Generator], dict[str, Tensor]]
"""Draws a micro-batch from the generator and returns its losses by name; `total` is the one that is descended."""


@dataclass(frozen=True)
class Stage:
    """How one stage trains. `ema_decay` 0 keeps the last weights, else their average; `grad_clip` 0: no clipping."""

    name: str
    updates: int
    accumulate: int = 1
    warmup: int = 0
    grad_clip: float = 0.0
    ema_decay: float = 0.0
    checkpoint_every: int = 100


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters by name, and their learning rate."""

    parameters: Mapping[str, nn.Parameter]
    lr: float


@dataclass(frozen=True)
class Training:
    """Where and with what a training runs: its folder, the fingerprint of its data and settings, seed and devices."""

    folder: Path
    fingerprint: str
    seed: int
    accelerator: Accelerator
    progress: Progress | None = None

    @property
    def checkpoint_folder(self) -> Path:
        """Holds what is needed to resume, and nothing of the result."""
        return self.folder / "checkpoints"

    @property
    def log(self) -> Path:
        """One JSON line an update."""
        return self.folder / "training_log.jsonl"

    def checkpoints(self, stage: str) -> Checkpoints:
        """The checkpoints of one stage."""
        return Checkpoints(self.checkpoint_folder, stage, self.fingerprint)


def stream(seed: int, *path: object) -> torch.Generator:
    """The CPU generator that belongs to this seed and path, the same on every machine."""
    text = "/".join(map(str, (seed, *path)))
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1)


def run_stage(
    stage: Stage, groups: Sequence[ParameterGroup], model: nn.Module, losses: Losses, training: Training
) -> None:
    """Do all updates of a stage, from its newest checkpoint on. `model` is what the accelerator prepared and
    `groups` are its parameters. Raises RunError where a loss is no longer finite."""
    accelerator, checkpoints = training.accelerator, training.checkpoints(stage.name)
    named = {name: parameter for group in groups for name, parameter in group.parameters.items()}
    optimizer = torch.optim.AdamW(
        [{"params": list(group.parameters.values()), "lr": group.lr} for group in groups],
        betas=(0.9, 0.999),
        weight_decay=0.01,
        fused=True,
    )
    average = {name: value.detach().clone() for name, value in named.items()} if stage.ema_decay else {}
    start = _resume(checkpoints, optimizer, named, average)
    _forget_log(training, stage.name, start)
    for update in range(start, stage.updates):
        for group, chosen in zip(optimizer.param_groups, groups, strict=True):
            group["lr"] = chosen.lr * min(1.0, (update + 1) / (stage.warmup + 1))
        shown = _accumulate(stage, update, model, losses, training)
        if stage.grad_clip:
            shown["grad_norm"] = float(nn.utils.clip_grad_norm_(list(named.values()), stage.grad_clip))
        _require_finite(shown, stage.name, update)
        optimizer.step()
        optimizer.zero_grad()
        _average(average, named, stage.ema_decay, update)
        done = update + 1
        if accelerator.is_main_process:
            _log(training.log, {"stage": stage.name, "update": done, **shown})
            if done % stage.checkpoint_every == 0 or done == stage.updates:
                checkpoints.save(done, _state(optimizer, named, average))
        if training.progress is not None:
            training.progress(stage.name, done, stage.updates)
    with torch.no_grad():
        for name, value in average.items():
            named[name].copy_(value)
    accelerator.wait_for_everyone()


def _accumulate(stage: Stage, update: int, model: nn.Module, losses: Losses, training: Training) -> dict[str, float]:
    """Gradients of one update's micro-batches; returns their mean losses."""
    shown: dict[str, float] = {}
    for micro in range(stage.accumulate):
        last = micro + 1 == stage.accumulate
        with nullcontext() if last else training.accelerator.no_sync(model):
            parts = losses(stream(training.seed, stage.name, update, micro))
            training.accelerator.backward(parts["total"] / stage.accumulate)
        for name, value in parts.items():
            shown[name] = shown.get(name, 0.0) + value.item() / stage.accumulate
    return shown


def _average(average: State, named: Mapping[str, nn.Parameter], decay: float, update: int) -> None:
    """Move the running average towards the parameters; faster over the first updates, as it starts at the base."""
    if not average:
        return
    weight = 1 - min(decay, (1 + update) / (10 + update))
    with torch.no_grad():
        torch._foreach_lerp_(list(average.values()), [named[name].detach() for name in average], weight)


def _state(optimizer: torch.optim.Optimizer, named: Mapping[str, nn.Parameter], average: State) -> State:
    state: State = {f"parameter/{name}": value for name, value in named.items()}
    state |= {f"average/{name}": value for name, value in average.items()}
    return state | optimizer_state(optimizer, {value: name for name, value in named.items()})


def _resume(
    checkpoints: Checkpoints, optimizer: torch.optim.Optimizer, named: Mapping[str, nn.Parameter], average: State
) -> int:
    """Load the newest checkpoint into all of these; returns the updates it has seen, 0 without one."""
    found = checkpoints.latest()
    if found is None:
        return 0
    update, state = found
    with torch.no_grad():
        for name, value in named.items():
            value.copy_(state.pop(f"parameter/{name}"))
        for name, value in average.items():
            value.copy_(state.pop(f"average/{name}"))
    restore_optimizer(optimizer, {value: name for name, value in named.items()}, state)
    return update


def _require_finite(shown: Mapping[str, float], stage: str, update: int) -> None:
    broken = [name for name, value in shown.items() if not math.isfinite(value)]
    if broken:
        raise RunError(
            f"fine-tuning ({stage}) broke at update {update + 1}: {', '.join(broken)} is not finite; "
            "lower lr_unet and lr_tokens or set precision: fp32"
        )


def _log(path: Path, row: Mapping[str, object]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def _forget_log(training: Training, stage: str, start: int) -> None:
    """Drop the rows of updates that an interrupted call logged after its last checkpoint."""
    path = training.log
    if not path.is_file() or not training.accelerator.is_main_process:
        return
    rows = [line for line in path.read_text().splitlines(keepends=True) if _before(line, stage, start)]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(rows))
    temporary.replace(path)


def _before(line: str, stage: str, start: int) -> bool:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:  # the row that was being written when the process died
        return False
    return row["stage"] != stage or row["update"] <= start
