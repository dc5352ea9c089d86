"""The updates of both stages: AdamW, warm-up, clipping, averaging, log, and resumption to the last bit.

Every random number of update u comes from a generator seeded by (seed, stage, u, micro-batch), and a checkpoint holds
parameters, optimiser state and averages; so where a process was killed leaves no trace in the result.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from synth.errors import RunError
from synth.generators import Progress
from synth.training.checkpoint import Checkpoints, Notes, State, optimizer_state, restore_optimizer
from synth.training.log import Log
from synth.training.loop import every, run_steps
from synth.training.trackers import Tracked

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
    """Where and with what a training runs: its folder, the fingerprint of its data and settings, seed and devices, and
    who is told of its losses."""

    folder: Path
    fingerprint: str
    seed: int
    accelerator: Accelerator
    progress: Progress | None = None
    tracked: Tracked | None = None

    @property
    def checkpoint_folder(self) -> Path:
        """Holds what is needed to resume, and nothing of the result."""
        return self.folder / "checkpoints"

    @cached_property
    def log(self) -> Log:
        """One JSON line an update."""
        return Log(self.folder / "training_log.jsonl")

    def checkpoints(self, stage: str) -> Checkpoints:
        """The checkpoints of one stage."""
        main = self.accelerator.is_main_process
        return Checkpoints(self.checkpoint_folder, stage, self.fingerprint, report=self.report, writes=main)

    def report(self, text: str) -> None:
        """Report what was found damaged and is made again."""
        if self.progress is not None:
            self.progress(text, 1, 1)


def stream(seed: int, *path: object) -> torch.Generator:
    """The CPU generator that belongs to this seed and path, the same on every machine."""
    text = "/".join(map(str, (seed, *path)))
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1)


def run_stage(
    stage: Stage, groups: Sequence[ParameterGroup], model: nn.Module, losses: Losses, training: Training
) -> None:
    """Do all updates of a stage, from its newest checkpoint on. `model` is what the accelerator prepared and
    `groups` are its parameters. Raises RunError where a loss is no longer finite."""
    updates = _Updates(stage, groups, model, losses, training)
    due = every(stage.checkpoint_every, stage.updates)
    kept, progress = training.checkpoints(stage.name), training.progress
    run_steps(stage.name, updates, range, stage.updates, kept, due, progress, training.tracked)
    updates.take_average()
    training.accelerator.wait_for_everyone()


class _Updates:
    """The updates of one stage as steps of `run_steps`; its batches are the numbers of the updates."""

    def __init__(
        self, stage: Stage, groups: Sequence[ParameterGroup], model: nn.Module, losses: Losses, training: Training
    ) -> None:
        self._stage, self._groups, self._model, self._losses, self._training = stage, groups, model, losses, training
        self._named = {name: parameter for group in groups for name, parameter in group.parameters.items()}
        self._optimizer = torch.optim.AdamW(
            [{"params": list(group.parameters.values()), "lr": group.lr} for group in groups],
            betas=(0.9, 0.999),
            weight_decay=0.01,
            fused=True,
        )
        kept = self._named if stage.ema_decay else {}
        self._average = {name: value.detach().clone() for name, value in kept.items()}

    def step(self, step: int, batch: int) -> dict[str, float]:
        stage = self._stage
        for group, chosen in zip(self._optimizer.param_groups, self._groups, strict=True):
            group["lr"] = chosen.lr * min(1.0, (step + 1) / (stage.warmup + 1))
        shown = self._accumulate(step)
        if stage.grad_clip:
            shown["grad_norm"] = float(nn.utils.clip_grad_norm_(list(self._named.values()), stage.grad_clip))
        _require_finite(shown, stage.name, step)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._move_average(step)
        if self._training.accelerator.is_main_process:
            self._training.log.write({"stage": stage.name, "update": step + 1, **shown})
        return shown

    def state(self) -> tuple[State, Notes]:
        tensors: State = {f"parameter/{name}": value for name, value in self._named.items()}
        tensors |= {f"average/{name}": value for name, value in self._average.items()}
        tensors |= optimizer_state(self._optimizer, {value: name for name, value in self._named.items()})
        return tensors, {"log": self._training.log.text}

    def restore(self, tensors: State, notes: Notes) -> None:
        with torch.no_grad():
            for name, value in self._named.items():
                value.copy_(tensors.pop(f"parameter/{name}"))
            for name, value in self._average.items():
                value.copy_(tensors.pop(f"average/{name}"))
        restore_optimizer(self._optimizer, {value: name for name, value in self._named.items()}, tensors)
        if self._training.accelerator.is_main_process:
            self._training.log.restore(notes["log"])

    def take_average(self) -> None:
        """Let the parameters be their running average, where one is kept."""
        with torch.no_grad():
            for name, value in self._average.items():
                self._named[name].copy_(value)

    def _accumulate(self, update: int) -> dict[str, float]:
        """Gradients of one update's micro-batches; returns their mean losses."""
        stage, training = self._stage, self._training
        shown: dict[str, float] = {}
        for micro in range(stage.accumulate):
            last = micro + 1 == stage.accumulate
            with nullcontext() if last else training.accelerator.no_sync(self._model):
                parts = self._losses(stream(training.seed, stage.name, update, micro))
                training.accelerator.backward(parts["total"] / stage.accumulate)
            for name, value in parts.items():
                shown[name] = shown.get(name, 0.0) + value.item() / stage.accumulate
        return shown

    def _move_average(self, update: int) -> None:
        """Move the running average towards the parameters; faster over the first updates, as it starts at the base."""
        if not self._average:
            return
        weight = 1 - min(self._stage.ema_decay, (1 + update) / (10 + update))
        now = [self._named[name].detach() for name in self._average]
        with torch.no_grad():
            torch._foreach_lerp_(list(self._average.values()), now, weight)


def _require_finite(shown: Mapping[str, float], stage: str, update: int) -> None:
    broken = [name for name, value in shown.items() if not math.isfinite(value)]
    if broken:
        raise RunError(
            f"fine-tuning ({stage}) broke at update {update + 1}: {', '.join(broken)} is not finite; "
            "lower lr_unet and lr_tokens or set precision: fp32"
        )
