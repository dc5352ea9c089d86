"""Trainings of segmenters, several at once.

The networks are small and their steps short: two trainings side by side, a thread each, get through 1.3 to 1.4 times as
many steps as one after the other on two threads (`benchmarks/trainings.py`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import joblib
import torch

from eval.segmenters.config import TrainingConfig
from eval.segmenters.segmenter import Segmenter
from synth.errors import EvalError
from synth.generators import Progress
from synth.sample import Sample
from synth.training.stopping import stop_workers, workers_first


@dataclass(frozen=True)
class Training:
    """A segmenter's name and config, what it learns from and is chosen with, and the folder where it ends up."""

    name: str
    config: TrainingConfig
    samples: list[Sample]
    validation: list[Sample]
    place: Path

    @property
    def complete(self) -> bool:
        """Whether it was saved and is whole; what is damaged is trained again."""
        if not (self.place / "segmenter.json").exists():
            return False
        with suppress(EvalError):
            Segmenter.load(self.place)
            return True
        return False

    def run(self, progress: Progress | None = None) -> None:
        """Train and save, from the checkpoint of an interrupted call."""
        segmenter = Segmenter(self.name, self.config)
        segmenter.fit(self.samples, self.validation, self.place, progress)
        segmenter.save(self.place)


def run_all(trainings: Sequence[Training], workers: int, progress: Progress) -> None:
    """Do those that are not complete, `workers` at once, which share the cores; a single one reports its steps."""
    left = [training for training in trainings if not training.complete]
    before = len(trainings) - len(left)
    progress("trainings", before, len(trainings))
    with closing(_run_each(left, min(workers, len(left)), progress)) as ended:
        for done, _ in enumerate(ended, start=before + 1):
            progress("trainings", done, len(trainings))


def most_workers() -> int:
    """As many as there are cores to run on; one where a GPU does the work."""
    return 1 if torch.cuda.is_available() else joblib.cpu_count()


def _run_each(trainings: Sequence[Training], workers: int, progress: Progress) -> Generator[None, None, None]:
    """One None for each training that has ended, as it ends. Closing it ends the others."""
    if workers <= 1:
        for training in trainings:
            training.run(progress)
            yield
        return
    threads = max(1, joblib.cpu_count() // workers)
    side_by_side = joblib.Parallel(
        workers, backend="loky", return_as="generator_unordered", batch_size=1, inner_max_num_threads=threads
    )
    with _interrupts_ignored():  # by the workers, which inherit it: this process is asked to stop and ends them
        ended = side_by_side(joblib.delayed(_beside_others)(each, threads, os.getpid()) for each in trainings)
    try:
        with workers_first(multiprocessing.active_children):  # joblib kills them as soon as it is interrupted
            for _ in ended:
                yield
    except GeneratorExit:
        stop_workers(multiprocessing.active_children())
        raise
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # joblib's, that work was cut short
            ended.close()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl-C, which a terminal sends to every process of a command, ignored by this one and by those it starts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _beside_others(training: Training, threads: int, parent: int) -> None:
    torch.set_num_threads(threads)

    def watch(stage: str, done: int, total: int) -> None:
        if os.getppid() != parent:  # killed: whoever resumes the study wants the cores
            os._exit(1)

    training.run(watch)
