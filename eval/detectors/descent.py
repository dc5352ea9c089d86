"""The training of a detector's small network: seeded steps of the one loop, resumed where they were interrupted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from eval.features.network import fingerprint
from synth.errors import EvalError
from synth.training.checkpoint import Checkpoints, Notes, State, optimizer_state, restore_optimizer
from synth.training.loop import every, run_steps

LOOKS = 10
"""How often weights are validated and kept, in a whole training."""


@dataclass(frozen=True)
class Course:
    """A training: its name, its steps and the seed of all that it draws; work: where checkpoints are kept, None = they
    are not; rate(step): the learning rate as a share of the optimiser's."""

    stage: str
    steps: int
    seed: int
    work: Path | None = None
    rate: Callable[[int], float] = lambda _step: 1.0

    def checkpoints(self, settings: Mapping[str, Any], content: Mapping[str, Tensor]) -> Checkpoints | None:
        """Those of just this training: of these settings, on this content. Others have folders of their own."""
        if self.work is None:
            return None
        mark = fingerprint({**settings, "stage": self.stage, "steps": self.steps, "seed": self.seed}, content)
        return Checkpoints(self.work / f"{self.stage}-{mark[:16]}", self.stage, mark, EvalError)


def train(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss: Callable[[], Tensor],
    course: Course,
    checkpoints: Checkpoints | None,
    validated: Callable[[], Tensor] | None = None,
) -> None:
    """Take the steps and leave the module in evaluation with its last weights, or with those of the least `validated`.

    Both draw from torch's global generator, which is seeded by the step and afterwards as before. EvalError where the
    loss is not finite."""
    descent = Descent(module, optimiser, loss, course, validated)
    run_steps(course.stage, descent, range, course.steps, checkpoints, descent.looks)
    if descent.best is not None:
        module.load_state_dict(descent.best)
    module.eval().requires_grad_(False)


class Descent:
    """A module's training as steps of `run_steps`."""

    def __init__(
        self,
        module: nn.Module,
        optimiser: torch.optim.Optimizer,
        loss: Callable[[], Tensor],
        course: Course,
        validated: Callable[[], Tensor] | None,
    ) -> None:
        self._module, self._optimiser, self._loss, self._course = module, optimiser, loss, course
        self._validated = validated
        self._names = {parameter: name for name, parameter in module.named_parameters()}
        self._rates = [group["lr"] for group in optimiser.param_groups]
        self.looks = every(max(1, course.steps // LOOKS), course.steps)
        self.best: State | None = None
        self._least = float("inf")

    def step(self, step: int, _batch: Any) -> None:
        course = self._course
        for group, usual in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = usual * course.rate(step)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_seed(course, step))
            value = self._loss_of_step()
            if not torch.isfinite(value):
                raise EvalError(f"the loss of {course.stage} is {value} at step {step + 1}; choose a smaller rate")
            self._optimiser.zero_grad(set_to_none=True)
            value.backward()
            self._optimiser.step()
            if self._validated is not None and self.looks(step + 1):
                torch.manual_seed(_seed(course, course.steps))
                self._look(self._validated)

    def state(self) -> tuple[State, Notes]:
        tensors = {f"now/{key}": value for key, value in self._module.state_dict().items()}
        tensors |= {f"best/{key}": value for key, value in (self.best or {}).items()}
        return tensors | optimizer_state(self._optimiser, self._names), {"least": self._least if self.best else None}

    def restore(self, tensors: State, notes: Notes) -> None:
        groups: dict[str, State] = {"now": {}, "best": {}}
        slots: State = {}
        for key, value in tensors.items():
            group, _, name = key.partition("/")
            if group in groups:
                groups[group][name] = value
            else:
                slots[key] = value
        self._module.load_state_dict(groups["now"])
        restore_optimizer(self._optimiser, self._names, slots)
        if notes["least"] is not None:
            self.best, self._least = groups["best"], notes["least"]

    def _loss_of_step(self) -> Tensor:
        self._module.train()
        return self._loss()

    def _look(self, validated: Callable[[], Tensor]) -> None:
        self._module.eval()
        with torch.no_grad():
            value = float(validated())
        if value < self._least:
            self._least = value
            self.best = {key: kept.detach().clone() for key, kept in self._module.state_dict().items()}


def seeded(build: Callable[[], nn.Module], seed: int) -> Any:
    """A module whose first weights come from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _seed(course: Course, step: int) -> int:
    words = np.random.SeedSequence([course.seed, crc32(course.stage.encode()), step]).generate_state(1)
    return int(words[0])
