"""Executors: where shards are made, never what is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol, get_args

from synth.errors import RunError
from synth.pipeline.job import Job, Worker
from synth.pipeline.shards import Candidate, Shard
from synth.printable import shown
from synth.suggest import did_you_mean

ExecutorName = Literal["local", "ray"]


class Executor(Protocol):
    """Makes shards. `workers`: how many at once, 1 for those that work only when a result is asked for."""

    workers: int

    def fit(self, products: list[str]) -> Iterator[str]:
        """Fit products side by side; yields each as it is done."""

    def submit(self, shard: Shard) -> None:
        """Have a shard made some time; nothing where it is being made already."""

    def result(self, shard: Shard) -> list[Candidate]:
        """Its candidates, once."""


class Inline:
    """Everything in this process, one after the other."""

    workers = 1

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def fit(self, products: list[str]) -> Iterator[str]:
        for product in products:
            self._worker.fit(product)
            yield product

    def submit(self, shard: Shard) -> None:
        """Nothing: a shard is made when its result is asked for."""

    def result(self, shard: Shard) -> list[Candidate]:
        return self._worker.make(shard)


def check_workers(workers: int, kind: str) -> None:
    """RunError for a number of workers or a kind of executor that there is not."""
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise RunError(f"workers is {shown(workers)}, wanted a whole number of 1 or more")
    if kind not in get_args(ExecutorName):
        raise RunError(f"executor {shown(kind)} is unknown; {did_you_mean(str(kind), get_args(ExecutorName))}")


@contextmanager
def open_executor(kind: ExecutorName, workers: int, job: Job, here: Worker) -> Iterator[Executor]:
    """An executor of this kind for a job; `here` is this process' own worker, used where one is all that is wanted.
    RunError where Ray is asked for and not installed."""
    if kind == "local" and workers == 1:
        yield Inline(here)
        return
    if kind == "local":
        from synth.pipeline.executors.local import Processes

        with Processes(job, workers) as pool:
            yield pool
        return
    try:
        from synth.pipeline.executors.ray import Actors
    except ImportError as problem:
        raise RunError("--executor ray needs Ray; install it with: pip install 'flawsmith[ray]'") from problem
    with Actors(job, workers) as actors:
        yield actors
