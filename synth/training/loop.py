"""The loop: steps from the newest checkpoint on, a checkpoint now and then, and where the time went.

A training that seeds each step's randomness by the step's number, and whose state holds all that later steps read, ends
with the same bits wherever it was interrupted. One that is asked to stop finishes its step and keeps a checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Protocol, SupportsFloat

from synth.generators import Progress
from synth.training.checkpoint import Checkpoints, Notes, State
from synth.training.stopping import Stopping, between_steps
from synth.training.trackers import Tracked


class Training(Protocol):
    """What is trained and how."""

    def step(self, step: int, batch: Any) -> Mapping[str, SupportsFloat] | None:
        """Take step number `step`, from 0, on its batch; what trackers are told of it, such as losses."""

    def state(self) -> tuple[State, Notes]:
        """Everything that later steps depend on."""

    def restore(self, tensors: State, notes: Notes) -> None:
        """Inverse of `state`."""


@dataclass
class Spent:
    """Time in s that a training took, interrupted ones together: all of it, that of its processor cores, and what it
    waited for batches."""

    seconds: float = 0.0
    worked: float = 0.0
    waited: float = 0.0


def run_steps(
    name: str,
    training: Training,
    batches: Callable[[int, int], Iterable[Any]],
    steps: int,
    checkpoints: Checkpoints | None = None,
    due: Callable[[int], bool] = lambda _done: False,
    progress: Progress | None = None,
    tracked: Tracked | None = None,
) -> Spent:
    """Take all `steps` steps, from the newest checkpoint on. batches(first, stop): one for each step from first on;
    due(done): whether a checkpoint follows after `done` steps. KeyboardInterrupt where the process is asked to stop, by
    a signal or by `progress`: after a checkpoint."""
    start, spent = _resume(training, checkpoints)
    began, cpu = time.perf_counter() - spent.seconds, time.process_time() - spent.worked
    coming = iter(batches(start, steps))
    with nullcontext(Stopping()) if checkpoints is None else between_steps() as stopping:
        for step in range(start, steps):
            before = time.perf_counter()
            batch = next(coming)
            spent.waited += time.perf_counter() - before
            told = training.step(step, batch)
            spent.seconds, spent.worked = time.perf_counter() - began, time.process_time() - cpu
            if tracked is not None and told:
                tracked.log(name, told, step + 1)
            saved = due(step + 1)
            if saved:
                _save(training, checkpoints, step + 1, spent)
            try:
                if progress is not None:
                    progress(name, step + 1, steps)
                if stopping.signal is not None:
                    raise KeyboardInterrupt
            except KeyboardInterrupt:
                if not saved:
                    _save(training, checkpoints, step + 1, spent)
                raise
    return spent


class EverySeconds:
    """`due` at the last step and whenever `seconds()` have passed since it last was."""

    def __init__(self, seconds: Callable[[], float], steps: int) -> None:
        self._seconds, self._steps, self._saved = seconds, steps, time.monotonic()

    def __call__(self, done: int) -> bool:
        is_due = time.monotonic() - self._saved >= self._seconds() or done == self._steps
        if is_due:
            self._saved = time.monotonic()
        return is_due


def every(between: int, steps: int) -> Callable[[int], bool]:
    """`due` after each `between` steps and at the last one."""
    return lambda done: done % between == 0 or done == steps


def _save(training: Training, checkpoints: Checkpoints | None, done: int, spent: Spent) -> None:
    if checkpoints is not None and checkpoints.writes:
        tensors, notes = training.state()
        checkpoints.save(done, tensors, {**notes, "spent": asdict(spent)})


def _resume(training: Training, checkpoints: Checkpoints | None) -> tuple[int, Spent]:
    found = None if checkpoints is None else checkpoints.latest()
    if found is None:
        return 0, Spent()
    spent = Spent(**found.notes.pop("spent"))
    training.restore(found.tensors, found.notes)
    return found.step, spent
