"""The training of a detector's network that ends with the best weights by validation, or with the last."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eval.detectors.training import Descent, descend, mark_of, step_seed
from synth.generators import Progress
from synth.training.loop import every

LOOKS = 10
"""How often weights are validated and a checkpoint is kept, in a whole training."""


@dataclass(frozen=True)
class Course:
    """A training: its name, its steps and the seed of all that it draws; folder: where checkpoints are kept, None =
    they are not; rate(step): the learning rate as a share of the optimiser's."""

    name: str
    steps: int
    seed: int
    folder: Path | None = None
    progress: Progress | None = None
    rate: Callable[[int], float] = lambda _step: 1.0


def train(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss: Callable[[], Tensor],
    course: Course,
    data: Iterable[Tensor],
    settings: dict[str, object],
    validated: Callable[[], Tensor] | None = None,
) -> None:
    """Take the steps and leave the network in evaluation with its last weights, or with those of the least `validated`.
    loss and validated draw from torch's global generator, which is seeded for them and afterwards as before. data,
    settings: all else that the result depends on."""
    usual = [group["lr"] for group in optimiser.param_groups]
    looks = every(max(1, course.steps // LOOKS), course.steps)
    best = {} if validated is None else {name: value.detach().clone() for name, value in network.state_dict().items()}
    least = torch.tensor(torch.inf)

    def before(step: int) -> None:
        for group, rate in zip(optimiser.param_groups, usual, strict=True):
            group["lr"] = rate * course.rate(step)

    def after(step: int) -> None:
        if validated is None or not looks(step + 1):
            return
        network.eval()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(step_seed(course.seed, course.steps))
            value = validated()
        if value < least:
            least.copy_(value)
            for name, weights in network.state_dict().items():
                best[name].copy_(weights)

    about: dict[str, object] = {"name": course.name, "steps": course.steps, "seed": course.seed}
    kept = {**best, "least": least}
    training = Descent(network, optimiser, lambda _step, _generator: loss(), course.seed, before, after, kept)
    mark = mark_of(about | settings, network, data)
    descend(training, course.steps, course.name, mark, course.folder, course.progress, looks)
    if least.isfinite():
        network.load_state_dict(best)
    network.eval().requires_grad_(False)


def seeded(build: Callable[[], nn.Module], seed: int) -> Any:
    """A module whose first weights come from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
