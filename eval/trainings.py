"""Trainings of segmenters, several at once.

The networks are small and their steps short: two trainings side by side, a thread each, get through 1.3 to 1.4 times as
many steps as one after the other on two threads (`benchmarks/trainings.py`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import torch

from eval.segmenters.config import TrainingConfig
from eval.segmenters.segmenter import Segmenter
from synth.generator import Progress
from synth.sample import Sample


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
        return (self.place / "segmenter.json").exists()

    def carry_out(self, progress: Progress | None = None) -> None:
        """Train and save, going on from the checkpoint of an interrupted call."""
        segmenter = Segmenter(self.name, self.config)
        segmenter.fit(self.samples, self.validation, self.place, progress)
        segmenter.save(self.place)
        (self.place / "checkpoint.safetensors").unlink(missing_ok=True)


def carry_out_all(trainings: Sequence[Training], workers: int, progress: Progress) -> None:
    """Do those that are not complete, `workers` at once, each of them on one thread; a single worker uses all cores, or
    the GPU, and tells of its steps."""
    left = [training for training in trainings if not training.complete]
    done = len(trainings) - len(left)
    progress("trainings", done, len(trainings))
    if workers == 1:
        for training in left:
            training.carry_out(progress)
            done += 1
            progress("trainings", done, len(trainings))
        return
    side_by_side = joblib.Parallel(
        workers, backend="loky", return_as="generator_unordered", batch_size=1, inner_max_num_threads=1
    )
    for _ in side_by_side(joblib.delayed(_on_one_thread)(training, os.getpid()) for training in left):
        done += 1
        progress("trainings", done, len(trainings))


def most_workers() -> int:
    """As many as there are cores to run on; one where a GPU does the work."""
    return 1 if torch.cuda.is_available() else joblib.cpu_count()


def _on_one_thread(training: Training, parent: int) -> None:
    torch.set_num_threads(1)

    def watch(stage: str, done: int, total: int) -> None:
        if os.getppid() != parent:  # killed: whoever goes on with the campaign wants the cores
            os._exit(1)

    training.carry_out(watch)
