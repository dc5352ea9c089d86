"""Detectors, features, numbers of good samples and data sets against each other; kept as it goes, so that the same
command resumes.

FOLDER/
  plan.json                 what is compared; another comparison needs another folder
  measured/<hash>.json      each measurement, written when it is complete
  examples/<hash>/          images, outlines and heat maps of it
  detectors.json, detectors.csv, detectors.md, index.html
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eval import detectors
from eval.benchmark.data import Category, contents
from eval.benchmark.feeding import lacking
from eval.benchmark.measurement import Places, Setting, measure
from eval.benchmark.table import Benchmark
from eval.benchmark.written import write_benchmark
from eval.calibration import RankAgreement, Ranked, rank_agreement
from synth.errors import EvalError
from synth.io.json_text import json_text
from synth.io.plans import PLAN, begun_plan
from synth.io.sealed import read_sealed, write_sealed
from synth.progress import WHOLE, Progress


def run_benchmark(
    settings: Sequence[Setting],
    data: Sequence[Category],
    folder: Path,
    progress: Progress,
    cache: Path | None = None,
    leave_out: bool = False,
) -> Benchmark:
    """Measure every setting on every category and write tables and page into the folder. A detector learns each product
    alone, or all products of a data set where its setting says so. cache: a folder in which features are kept for
    detectors that look at the same. leave_out: detectors are left out, with a note, of what they cannot look at or
    learn from. EvalError for these otherwise, where none is left, and where the folder holds another comparison."""
    jobs, left_out = _possible(settings, data)
    if left_out and (not leave_out or not jobs):
        raise EvalError(left_out[0])
    _begin(settings, data, folder)
    found: list[dict[str, Any]] = []
    for number, (setting, learnt, shown) in enumerate(jobs):
        stage = f"{setting.label} on {shown[0].name}"
        progress(WHOLE, number, len(jobs))
        progress(stage, 0, 1)
        found.append(_kept(setting, learnt, shown, folder, cache, progress))
        progress(stage, 1, 1)
    progress(WHOLE, len(jobs), len(jobs))
    noted = [note for one in data for note in one.notes] + [note for one in found for note in one["notes"]]
    notes = tuple(dict.fromkeys(noted + [f"{why}: left out" for why in left_out]))
    judged = Benchmark(found, notes, _agreement(found, data))
    write_benchmark(judged, folder)
    return judged


def _agreement(measured: Sequence[dict[str, Any]], data: Sequence[Category]) -> RankAgreement | None:
    """Whether detectors rank alike by image AUROC on synthetic and on real defects; None where not both are there."""
    pairs = {one.of: [other.name for other in data if other.of == one.of] for one in data}
    pairs = {of: sorted(names, key=len) for of, names in pairs.items() if len(names) == 2}
    if not pairs:
        return None
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for one in measured:
        setting = f"{one['features']}, {one['shots']}, {one['draw']}, {json_text(one['config'])}"
        for name, figures in one["categories"].items():
            found.setdefault((one["detector"], setting, name), figures["all"])
    rows = [
        Ranked(detector, setting, of, found[detector, setting, made]["image_auroc"], figures["image_auroc"])
        for of, (real, made) in pairs.items()
        for (detector, setting, name), figures in found.items()
        if name == real
    ]
    return rank_agreement(rows)


_Job = tuple[Setting, list[Category], list[Category]]
"""A setting, what it learns and what it is measured on."""


def _possible(settings: Sequence[Setting], data: Sequence[Category]) -> tuple[list[_Job], list[str]]:
    """What can be measured, and why the rest cannot."""
    found, why = [], []
    for setting, learnt, shown in _jobs(settings, data):
        reason = lacking(setting, learnt)
        if reason is None:
            found.append((setting, learnt, shown))
        else:
            why.append(reason)
    return found, why


def _jobs(settings: Sequence[Setting], data: Sequence[Category]) -> Iterator[_Job]:
    for setting in settings:
        if setting.together:
            for name in dict.fromkeys(one.data for one in data):
                own = [one for one in data if one.data == name]
                yield setting, own, own
        else:
            for one in data:
                yield setting, [one], [one]


def _kept(
    setting: Setting,
    learnt: list[Category],
    shown: list[Category],
    folder: Path,
    cache: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """A measurement that was complete before, or a new one."""
    taught = [contents(one.defects) for one in learnt] if _learns_from_defects(setting) else []
    key = _hash([_plain(setting), [_seen(one) for one in learnt], taught])
    path = folder / "measured" / f"{key}.json"
    try:
        kept: dict[str, Any] = read_sealed(path)
    except (OSError, ValueError):
        places = Places(folder / "examples" / key, folder / "trainings" / key, cache)
        kept = measure(setting, learnt, shown, places, progress) | {"key": key}
        write_sealed(path, kept)
        shutil.rmtree(folder / "trainings" / key, ignore_errors=True)
    return kept


def _begin(settings: Sequence[Setting], data: Sequence[Category], folder: Path) -> None:
    wanted = {"settings": [_plain(one) for one in settings], "data": {one.name: _seen(one) for one in data}}
    if begun_plan(folder, wanted, "comparison") is None:
        write_sealed(folder / PLAN, wanted)


def _learns_from_defects(setting: Setting) -> bool:
    return detectors.create(setting.detector, **setting.params).learns_from_defects


def _plain(setting: Setting) -> dict[str, Any]:
    return {
        "detector": setting.detector,
        "params": {key: list(v) if isinstance(v, tuple) else v for key, v in setting.params.items()},
        "shots": setting.shots,
        "draw": setting.draw,
        "together": setting.together,
    }


def _seen(category: Category) -> str:
    """A hash of which samples a category has, and of what they show."""
    return _hash([category.name, contents(category.good), contents(category.test)])


def _hash(content: Any) -> str:
    return hashlib.sha256(json_text(content).encode()).hexdigest()[:20]
