"""What a worker needs to make any shard of a run, on this machine or on another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.errors import RunError
from synth.generators import GENERATORS, Generator, Progress
from synth.pipeline import environment
from synth.pipeline.shards import Candidate, Shard, make_shard
from synth.recipe import Recipe
from synth.sample import Sample


@dataclass(frozen=True)
class Job:
    """A recipe with its real samples, the folder of the generator's model and the environment the run was begun in.
    Travels to workers by pickling."""

    recipe: Recipe
    model: Path
    shots: Sequence[Sample]
    good_images: Sequence[Sample]
    made_with: Mapping[str, str]

    @property
    def products(self) -> list[str]:
        """Products of which something is learnt, by name."""
        return sorted({str(sample.product) for sample in self.shots or self.good_images})

    def generator(self) -> Generator:
        """The recipe's generator, not fitted yet."""
        return GENERATORS[self.recipe.generator.kind].open(self.recipe.generator, self.model, self.recipe.seed)


class Worker:
    """One process' share of a job: fits single products, then makes shards with the model as it is on the disk.
    RunError on a machine that would make other images than the one the run was begun on."""

    def __init__(self, job: Job) -> None:
        changed = environment.differences(job.made_with, environment.describe())
        if changed:
            raise RunError(
                f"a worker's machine would not make the same images ({'; '.join(changed)}); let workers run where "
                "these are equal"
            )
        environment.fix_threads(job.made_with)
        self._job = job
        self._fitted: Generator | None = None

    def fit(self, product: str) -> None:
        """Learn one product."""
        shots = [shot for shot in self._job.shots if shot.product == product]
        good_images = [good for good in self._job.good_images if good.product == product]
        self._job.generator().fit(shots, good_images)

    def make(self, shard: Shard) -> list[Candidate]:
        """The candidates of a shard."""
        return make_shard(self.generator(), self._job.recipe.generator.kind, self._job.recipe.checks, shard)

    def generator(self, progress: Progress | None = None) -> Generator:
        """The generator, fitted; quick where the models are complete."""
        if self._fitted is None:
            fitted = self._job.generator()
            fitted.fit(self._job.shots, self._job.good_images, progress)
            self._fitted = fitted
        return self._fitted
