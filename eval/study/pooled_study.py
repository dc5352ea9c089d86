"""A study over several data sets and draws of the shots: runs, trainings, and one look at the test images of each draw.

FOLDER/
  plan.json                    what is compared; another study needs another folder
  runs/<condition>/<draw>/     the runs that the study makes
  trained/<segmenter>/<hash>/  every training, once, whichever draws and training sets share it
  draws/<condition>/<draw>/    what was measured on the test images, when the trainings of the draw were complete
  study.json, study.md, study.svg

It may be killed at any moment; the same command resumes it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.study.answer import PooledStudy
from eval.study.expected import study_forecast
from eval.study.judging import LEAST_IMAGES, training_costs
from eval.study.plan import Condition, Draw, folder_name
from eval.study.pooling import MeasuredCondition, gains_of, levels_of
from eval.study.study import Conduct, Measured, StudiedRun, Study
from eval.study.study_page import write_study_pages
from synth.errors import EvalError
from synth.io.json_text import json_text
from synth.io.plans import PLAN, begun_plan
from synth.io.sealed import write_sealed
from synth.pipeline.preparation import types_learnt
from synth.pipeline.runs import run
from synth.progress import WHOLE, Progress
from synth.sources import read_source
from synth.split import NOT_DRAWN, make_split

ALIKE = "one_draw"


def distinct_draws(
    conditions: Sequence[Condition], progress: Progress, known: Collection[str] | None = None
) -> tuple[list[Condition], list[str]]:
    """The conditions, with one draw where every draw takes all shots, and notes that say so; `known`: the names of
    those, where they were found before."""
    settled, notes = [], []
    for number, condition in enumerate(conditions):
        progress("counting shots", number, len(conditions))
        if len(condition.draws) > 1:
            if _all_alike(condition) if known is None else condition.name in known:
                notes.append(f"{condition.name}: no defect type has more shots, so there is one draw")
                condition = replace(condition, draws=condition.draws[:1])
        settled.append(condition)
    progress("counting shots", len(conditions), len(conditions))
    return settled, notes


def _all_alike(condition: Condition) -> bool:
    """Whether all draws take all shots, and their recipes' seeds, which draw the test images, are equal."""
    recipe, second = condition.draws[0].recipe, condition.draws[1].recipe
    if recipe is None or second is None or recipe.seed != second.seed:
        return False
    request = recipe.request
    split = make_split(read_source(recipe.source), recipe.source, recipe.seed, request.products, types_learnt(recipe))
    return not any(one.reason == NOT_DRAWN.format(recipe.source.shots, 0) for one in split.dropped)


def _place(folder: Path, condition: Condition, draw: int) -> Path:
    """Where a draw is measured."""
    return folder / "draws" / folder_name(condition.name) / str(draw)


def _all_measured(conditions: Sequence[Condition], folder: Path) -> bool:
    places = [_place(folder, one, draw) for one in conditions for draw in range(len(one.draws))]
    return all((place / "measured.json").exists() for place in places)


def run_pooled(
    name: str,
    conditions: Sequence[Condition],
    study: Study,
    folder: Path,
    conduct: Conduct,
    leave_one_out: bool = False,
    quick: bool = False,
) -> PooledStudy:
    """Make the runs, train, measure and judge; writes study.json, study.md and study.svg into the folder. EvalError
    where the folder holds another study or nothing would show how much a training differs from the next."""
    for condition in conditions:
        for training in study.on(condition.settings).trainings():
            study.on(condition.settings).config(*training)
    wanted = _compared(name, conditions, study)
    settled, notes = distinct_draws(conditions, conduct.progress, _begun(folder, wanted))
    for condition in settled:
        if len(condition.draws) == 1 and study.seeds == 1 and not quick:
            raise EvalError(f"{condition.name} has one draw and one training; give more seeds or draws, or --quick")
    if not (folder / PLAN).exists():
        alike = [one.name for one, own in zip(conditions, settled, strict=True) if len(own.draws) < len(one.draws)]
        write_sealed(folder / PLAN, wanted | {ALIKE: alike})
    if conduct.tell is not None and not _all_measured(settled, folder):
        conduct.tell(str(study_forecast(settled, study, conduct.progress, conduct.workers, leave_one_out)))
    silent = replace(conduct, tell=None, verb="study", store=folder / "trained")
    measured, unseen, done, total = [], [], 0, sum(len(one.draws) for one in settled)
    for condition in settled:
        notes += _told_settings(condition)
        found = []
        for number in range(len(condition.draws)):
            conduct.progress(WHOLE, done, total)
            found.append(_measure_draw(condition, number, study, folder, silent, leave_one_out))
            done += 1
        measured.append(MeasuredCondition(condition.name, condition.images, [one for one, _ in found]))
        left_out = [one for _, one in found if one is not None]
        if len(left_out) == len(found):
            unseen.append(MeasuredCondition(condition.name, condition.images, left_out))
        elif leave_one_out:
            notes.append(f"{condition.name}: no defect type can be left out, for want of another with validation shots")
    conduct.progress(WHOLE, total, total)
    judged = _judge(name, study, measured, unseen, notes)
    write_study_pages(judged, folder)
    return judged


def _told_settings(condition: Condition) -> list[str]:
    """In what the segmenters differ on this condition, as a sentence."""
    told = [f"{name} {key}={value}" for name, params in condition.settings.items() for key, value in params.items()]
    return [f"{condition.name}: {', '.join(told)}"] if told else []


def _measure_draw(
    condition: Condition, number: int, study: Study, folder: Path, conduct: Conduct, leave_one_out: bool
) -> tuple[Measured, Measured | None]:
    draw = condition.draws[number]
    own = replace(conduct, progress=_named(conduct.progress, f"{condition.name}, draw {number}"))
    _make(draw, own.progress)
    studied = StudiedRun(draw.run, _place(folder, condition, number), own, LEAST_IMAGES)
    seeded = _of_draw(study.on(condition.settings), number)
    measured = studied.measure(seeded)
    return measured, studied.measure_unseen(seeded) if leave_one_out else None


def _of_draw(study: Study, number: int) -> Study:
    """The study with seeds of its own for a draw, so that draws are independent."""
    segmenters = {
        name: {**params, "seed": study.config(name, "real", 0).seed + number * study.seeds}
        for name, params in study.segmenters.items()
    }
    return replace(study, segmenters=segmenters if number else study.segmenters)


def _make(draw: Draw, progress: Progress) -> None:
    """Make the run of a draw, unless it is finished."""
    if draw.recipe is not None:
        run(draw.recipe, draw.run, progress)


def _named(progress: Progress, name: str) -> Progress:
    def named(stage: str, done: int, total: int) -> None:
        if stage != WHOLE:  # a run's, of which there are many
            progress(f"{name}: {stage}", done, total)

    return named


def _compared(name: str, conditions: Sequence[Condition], study: Study) -> dict[str, Any]:
    """What a study compares, in plain types."""
    runs = {
        one.name: [str(d.run.resolve()) if d.recipe is None else d.recipe.sha256 for d in one.draws]
        for one in conditions
    }
    settings = {one.name: one.settings for one in conditions}
    compared = {"name": name, "seeds": study.seeds, "training_sets": study.training_sets, "conditions": runs}
    compared["settings"] = settings
    plain: dict[str, Any] = json.loads(json_text(compared | {"segmenters": study.segmenters}))
    return plain


def _begun(folder: Path, wanted: dict[str, Any]) -> list[str] | None:
    """The conditions whose draws are all the same, by what the folder's study has found before; None in a new folder.
    WriterError where it is not a study's, EvalError where it is another one's."""
    found = begun_plan(folder, wanted, "study")
    return None if found is None else list(found[ALIKE])


def _judge(
    name: str,
    study: Study,
    measured: Sequence[MeasuredCondition],
    unseen: Sequence[MeasuredCondition],
    notes: list[str],
) -> PooledStudy:
    segmenters, training_sets = list(study.segmenters), study.training_sets
    return PooledStudy(
        name,
        study,
        list(measured),
        levels_of(measured, segmenters, training_sets),
        gains_of(measured, segmenters, training_sets),
        gains_of(measured, segmenters, training_sets, "pixel_ap"),
        gains_of(unseen, segmenters, training_sets) if unseen else [],
        training_costs([draw for one in (*measured, *unseen) for draw in one.draws]),
        notes,
    )
