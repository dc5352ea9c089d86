"""What a study will take on this machine, measured by a short trial: a few optimiser steps of each segmenter, and a few
samples of each generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from eval.segmenters.config import TrainingConfig
from eval.segmenters.segmenter import Segmenter
from eval.study.plan import Condition
from eval.study.training_sets import BASELINES, baseline_config, resized
from eval.study.trainings import Training
from synth.generators import Progress
from synth.pipeline.forecast import duration, forecast
from synth.pipeline.plan import plan
from synth.pipeline.preparation import Prepared, prepare
from synth.pipeline.runs import Run
from synth.recipe import Recipe
from synth.sample import Sample

if TYPE_CHECKING:
    from eval.study.study import Study

SIDE_BY_SIDE = 1.3
"""How many times the steps several trainings at once get through, next to one after the other on all cores."""
_WARM, _TIMED = 2, 6


def told_beforehand(trainings: Sequence[Training], workers: int) -> str:
    """How many trainings are left, and how long they will take, as a sentence."""
    left = {training.place: training for training in trainings if not (training.place / "segmenter.json").exists()}
    if not left:
        return "every training is there already"
    costs: dict[tuple[str, int], float] = {}
    for training in left.values():
        kind = training.name, training.config.steps
        if kind not in costs:
            costs[kind] = training_minutes(training.name, training.config, training.samples, training.validation)
    minutes = sum(costs[training.name, training.config.steps] for training in left.values())
    return f"{len(left)} trainings, about {duration(side_by_side(minutes, workers))} on this machine, by a short trial"


def training_minutes(
    name: str, config: TrainingConfig, samples: Sequence[Sample], validation: Sequence[Sample]
) -> float:
    """Minutes of one training on all cores, from a few of its optimiser steps."""
    seconds = []
    for steps in (_WARM, _WARM + _TIMED):
        short = config.model_copy(update={"steps": steps, "validate_every": steps})
        seconds.append(Segmenter(name, short).fit(samples, validation).seconds)
    return config.steps * max(1e-4, (seconds[1] - seconds[0]) / _TIMED) / 60


@dataclass(frozen=True)
class StudyForecast:
    """What a study takes from its start: (condition, draws) of each, runs to make, trainings at most, and minutes."""

    conditions: tuple[tuple[str, int], ...]
    runs: int
    trainings: int
    minutes: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.runs} runs to make and {self.trainings} trainings, about {duration(self.minutes)} on this machine, "
            "by a short trial; what is there already is not made again"
        )

    def lines(self) -> list[str]:
        """For people."""
        return [*(f"{name}: {count} draw{'s' * (count != 1)}" for name, count in self.conditions), str(self)]


def study_forecast(
    conditions: Sequence[Condition], study: Study, progress: Progress, workers: int, leave_one_out: bool
) -> StudyForecast:
    """A short trial of every segmenter, and of the generators once for the conditions that differ in shots alone."""
    stage, total = "trying a few steps and samples", len(conditions)
    runs, trainings, minutes = 0, 0, 0.0
    costs: dict[str, dict[str, float]] = {}
    drawing: dict[str, float] = {}
    for number, condition in enumerate(conditions):
        progress(stage, number, total)
        recipe = condition.draws[0].recipe
        known = recipe or Run(condition.draws[0].run).recipe
        prepared = prepare(known, progress)
        shots, draws = prepared.split.shots, len(condition.draws)
        own = study.on(condition.settings)
        each = costs.setdefault(str(own.segmenters), {})
        for name in own.segmenters:
            each[name] = each[name] if name in each else _training(own, name, shots)
        times = 1 + leave_one_out * len({shot.defect for shot in shots})
        of_each = draws * study.seeds * len(study.training_sets) * times
        runs += draws * (recipe is not None)
        trainings += of_each * len(each)
        minutes += side_by_side(of_each * sum(each.values()), workers)
        alike = known.model_copy(update={"source": known.source.model_copy(update={"shots": None})}).sha256
        if alike not in drawing:
            drawn = [known.generator] if recipe is not None else []
            drawn += [baseline_config(kind) for kind in BASELINES if kind in study.training_sets]
            drawing[alike] = sum(_drawing(known, prepared, block) for block in drawn)
        minutes += draws * drawing[alike]
    progress(stage, total, total)
    return StudyForecast(tuple((one.name, len(one.draws)) for one in conditions), runs, trainings, minutes)


def _training(study: Study, name: str, shots: Sequence[Sample]) -> float:
    config = study.config(name, "real", 0)
    samples = [resized(shot, config.resolution, config.tile) for shot in shots]
    return training_minutes(name, config, samples, samples)


def _drawing(recipe: Recipe, prepared: Prepared, generator: Any) -> float:
    streams = plan(recipe, prepared.split.shots, prepared.split.good_images)
    return forecast(recipe.model_copy(update={"generator": generator}), prepared, streams).minutes


def side_by_side(minutes: float, workers: int) -> float:
    """Minutes of several trainings, `workers` at once."""
    return minutes / (SIDE_BY_SIDE if workers > 1 else 1)
