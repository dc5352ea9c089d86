"""How detectors train a network of their own: in the one loop of the package, so that a training that was interrupted
ends with the weights of one that was not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from eval.features.network import fingerprint
from synth.errors import EvalError
from synth.generators import Progress
from synth.training.checkpoint import Checkpoints, Notes, State, optimizer_state, restore_optimizer
from synth.training.loop import EverySeconds, run_steps

SAVED_EVERY = 60.0
"""Seconds between checkpoints."""
CLIP = 5.0
"""Norm of all gradients together that a step has at most."""


class Descent:
    """A training of `run_steps`: at each step the loss, whose randomness comes from a generator seeded by (seed, step),
    goes down. before, after: called with the number of each step, before it and after it. kept: further tensors that
    later steps depend on, changed in place alone."""

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        loss: Callable[[int, torch.Generator], Tensor],
        seed: int,
        before: Callable[[int], None] = lambda _step: None,
        after: Callable[[int], None] = lambda _step: None,
        kept: dict[str, Tensor] | None = None,
    ) -> None:
        self._network, self._optimiser, self._loss, self._seed = network, optimiser, loss, seed
        self._before, self._after, self._kept = before, after, kept or {}
        self._names = {parameter: name for name, parameter in network.named_parameters()}

    def step(self, step: int, batch: object) -> None:
        """One step. EvalError where the loss is no number."""
        self._before(step)
        self._network.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_seed(self._seed, step))
            loss = self._loss(step, torch.Generator().manual_seed(step_seed(self._seed, step)))
        if not bool(loss.isfinite()):
            raise EvalError(f"the loss at step {step} is {float(loss)}; train again with a smaller learning_rate")
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), CLIP)
        self._optimiser.step()
        self._after(step)

    def state(self) -> tuple[State, Notes]:
        tensors = {f"network/{name}": value for name, value in self._network.state_dict().items()}
        tensors |= {f"kept/{name}": value for name, value in self._kept.items()}
        return tensors | optimizer_state(self._optimiser, self._names), {}

    def restore(self, tensors: State, notes: Notes) -> None:
        own = {name.removeprefix("network/"): v for name, v in tensors.items() if name.startswith("network/")}
        self._network.load_state_dict(own)
        for name, value in self._kept.items():
            value.copy_(tensors[f"kept/{name}"])
        restore_optimizer(self._optimiser, self._names, tensors)


def step_seed(seed: int, step: int) -> int:
    """A seed of 63 bits for a step of a training."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{step}".encode()).digest()[:8], "big") >> 1


def descend(
    training: Descent,
    steps: int,
    name: str,
    mark: str,
    folder: Path | None = None,
    progress: Progress | None = None,
    due: Callable[[int], bool] | None = None,
) -> None:
    """Take all steps, from the newest checkpoint in `folder` on where there is one of the same `mark`, a hash of all
    that the result depends on. due(done): whether a checkpoint follows, once a minute by default."""
    checkpoints = None if folder is None else Checkpoints(folder, name, mark, EvalError)
    run_steps(name, training, _nothing, steps, checkpoints, due or EverySeconds(lambda: SAVED_EVERY, steps), progress)


def mark_of(settings: dict[str, object], network: nn.Module, data: Iterable[Tensor]) -> str:
    """A hash of settings, which JSON can hold, of a network as it begins, and of what it is trained on."""
    tensors = {f"network/{name}": value for name, value in network.state_dict().items()}
    return fingerprint(settings, tensors | {f"data/{number:06d}": value for number, value in enumerate(data)})


def _nothing(first: int, stop: int) -> Iterable[None]:
    return (None for _ in range(first, stop))
