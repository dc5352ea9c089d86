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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eval.benchmark.data import Category, contents
from eval.benchmark.measurement import Setting, measure
from eval.benchmark.table import Benchmark
from eval.benchmark.written import write_benchmark
from eval.calibration import RankAgreement, Ranked, rank_agreement
from synth.errors import EvalError
from synth.generators import Progress
from synth.io.json_text import json_text
from synth.io.own import check_free
from synth.io.sealed import read_sealed, write_sealed

PLAN = "plan.json"


def run_benchmark(
    settings: Sequence[Setting], data: Sequence[Category], folder: Path, progress: Progress, cache: Path | None = None
) -> Benchmark:
    """Measure every setting on every category and write tables and page into the folder. A detector learns each product
    alone, or all products of a data set where its setting says so. cache: a folder in which features are kept for
    detectors that look at the same. EvalError where the folder holds another comparison."""
    _begin(settings, data, folder)
    jobs = list(_jobs(settings, data))
    found: list[dict[str, Any]] = []
    for number, (setting, learnt, shown) in enumerate(jobs):
        progress(f"{setting.label} on {shown[0].name}", number, len(jobs))
        found.append(_kept(setting, learnt, shown, folder, cache))
    progress("measuring", len(jobs), len(jobs))
    told = [note for one in data for note in one.notes] + [note for one in found for note in one["notes"]]
    notes = tuple(dict.fromkeys(told))
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


def _jobs(
    settings: Sequence[Setting], data: Sequence[Category]
) -> Iterator[tuple[Setting, list[Category], list[Category]]]:
    for setting in settings:
        if setting.together:
            for name in dict.fromkeys(one.data for one in data):
                own = [one for one in data if one.data == name]
                yield setting, own, own
        else:
            for one in data:
                yield setting, [one], [one]


def _kept(
    setting: Setting, learnt: list[Category], shown: list[Category], folder: Path, cache: Path | None
) -> dict[str, Any]:
    """A measurement that was complete before, or a new one."""
    key = _hash([_plain(setting), [_seen(one) for one in learnt]])
    path = folder / "measured" / f"{key}.json"
    try:
        kept: dict[str, Any] = read_sealed(path)
    except (OSError, ValueError):
        kept = measure(setting, learnt, shown, folder / "examples" / key, cache) | {"key": key}
        write_sealed(path, kept)
    return kept


def _begin(settings: Sequence[Setting], data: Sequence[Category], folder: Path) -> None:
    wanted = {"settings": [_plain(one) for one in settings], "data": {one.name: _seen(one) for one in data}}
    path = folder / PLAN
    if not path.exists():
        check_free(folder, "a benchmark's")
        write_sealed(path, wanted)
        return
    try:
        found = read_sealed(path)
    except (OSError, ValueError) as problem:
        raise EvalError(f"{path} is damaged ({problem}): name another folder with --out") from problem
    changed = [key for key, value in wanted.items() if found.get(key) != value]
    if changed:
        raise EvalError(f"{folder} holds another comparison (its {', '.join(changed)} differ); name another with --out")


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
