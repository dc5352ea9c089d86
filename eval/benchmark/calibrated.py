"""A detector's threshold from a run: good images and the run's synthetic defects choose it, real test images judge it.

The detector learns from two thirds of the good images, drawn by id; the others and what was synthesised onto them are
what it has not learnt from. Perlin-made defects on the same images are the control for "any defect would do".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from eval import detectors
from eval.benchmark.data import Category, Opened, categories, chunks, kept_apart, on_good
from eval.benchmark.feeding import lacking
from eval.benchmark.measurement import AT_ONCE, Setting
from eval.calibration import Calibration, Scores, as_markdown, calibrate
from eval.detectors import Detector
from synth.errors import EvalError
from synth.generators import GENERATORS, Progress, Request
from synth.io.atomic import write_whole
from synth.io.json_text import json_text
from synth.pipeline.runs import Run
from synth.recipe import Recipe
from synth.sample import Sample

LEAST = 10
"""Synthetic samples on images that were kept, below which all samples take part."""
_PERLIN = 60
"""Perlin-made defects of a product, at most."""


@dataclass(frozen=True)
class Calibrations:
    """What `flawsmith eval calibrate` found, one a detector and product."""

    found: Sequence[Calibration]
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        return [*self.notes, *(line for one in self.found for line in one.lines())]

    def to_json(self) -> dict[str, Any]:
        return {"calibrations": [one.to_json() for one in self.found], "notes": list(self.notes)}


def calibrate_run(
    path: Path, settings: Sequence[Setting], folder: Path, progress: Progress, leave_out: bool = False
) -> Calibrations:
    """Thresholds of every setting on every product of a finished run; writes calibration.json and calibration.md.
    leave_out: detectors that cannot be calibrated on a product are left out of it, with a note. EvalError for these
    otherwise, such as transductive ones, which have no threshold of their own, and for too few good images."""
    run, found, notes = Run(path), [], []
    for category in categories(path):
        kept, learnt = kept_apart(category)
        samples, note = _synthetic(run, category, kept)
        notes += [] if note is None else [note]
        painted = perlin_samples(run.recipe, category, kept) if category.shots else None
        category = replace(category, defects=on_good(learnt, run, category.product))
        for number, setting in enumerate(settings):
            progress(f"calibrating on {category.name}", number, len(settings))
            detector = detectors.create(setting.detector, **setting.params)
            unable = _unable(detector, setting, category)
            if unable is not None and not leave_out:
                raise EvalError(unable)
            if unable is not None:
                notes.append(f"{unable}: left out")
                continue
            detector.fit(learnt, category.defects if detector.learns_from_defects else ())
            found.append(_calibration(detector, setting, category, kept, samples, painted, run.recipe.seed))
        progress(f"calibrating on {category.name}", len(settings), len(settings))
    judged = Calibrations(found, tuple(notes))
    write_whole(folder / "calibration.json", (json_text(judged.to_json(), indent=1) + "\n").encode())
    write_whole(folder / "calibration.md", as_markdown(found).encode())
    return judged


def _unable(detector: Detector, setting: Setting, category: Category) -> str | None:
    if detector.transductive:
        return f"{setting.detector} scores test samples by each other; it has no threshold of its own"
    return lacking(setting, [category])


def _calibration(
    detector: Detector,
    setting: Setting,
    category: Category,
    kept: Sequence[Sample],
    synthetic: Sequence[Sample],
    painted: Sequence[Sample] | None,
    seed: int,
) -> Calibration:
    scores = Scores(
        good=_scores(detector, kept),
        synthetic=_scores(detector, synthetic),
        perlin=None if painted is None else _scores(detector, painted),
        shots=_scores(detector, category.shots) if category.shots else None,
        test=_scores(detector, category.test),
        labels=np.array([sample.defect is not None for sample in category.test]),
    )
    return calibrate(scores, f"{setting.detector} ({setting.features})", category.name, seed)


def _synthetic(run: Run, category: Category, kept: Sequence[Sample]) -> tuple[Sequence[Sample], str | None]:
    """The run's samples on good images that were kept; all of the product, with a note, where these are few."""
    ids = {sample.id for sample in kept}
    made = Opened([], run, category.product)
    fitting = Opened([], run, category.product, ids)
    if len(fitting) >= LEAST:
        return fitting, None
    few = f"{category.name}: {len(fitting)} synthetic samples lie on images that the detector has not learnt from"
    return made, f"{few}, so all {len(made)} choose the threshold"


def perlin_samples(recipe: Recipe, category: Category, good: Sequence[Sample]) -> list[Sample]:
    """Perlin-made defects on these good images: one each, up to _PERLIN. The category has a shot, whose type names
    them."""
    config = Recipe.model_validate({"generator": {"kind": "perlin"}}).generator
    generator = GENERATORS["perlin"].open(config, Path(), recipe.seed)
    generator.fit(category.shots, good)
    kind = str(category.shots[0].defect)
    requests = [Request(category.product, kind, index, recipe.seed) for index in range(min(_PERLIN, len(good)))]
    return list(generator.draw(requests))


def _scores(detector: Detector, samples: Sequence[Sample]) -> np.ndarray:
    return np.concatenate([detector.predict(batch).score for batch in chunks(samples, AT_ONCE)])
