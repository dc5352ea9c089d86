"""One measurement: a detector on a category, with so many good samples to learn from."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval import detectors
from eval.benchmark.data import Category, chunks, shots_of, taught
from eval.benchmark.evaluated import Scored, figures
from eval.benchmark.gallery import write_examples
from eval.benchmark.peak import peak_memory
from eval.detectors import Detector
from eval.detectors.networks import resolved
from synth.generators import Progress
from synth.sample import Sample

AT_ONCE = 32
"""Test samples whose maps at full size are in memory at once, where they do not judge each other."""


@dataclass(frozen=True)
class Setting:
    """A detector or preset with its parameters, the number of good samples and which draw of them; `together`: learns
    all products of a data set in one."""

    detector: str
    params: dict[str, Any]
    shots: int | None = None
    draw: int = 0
    together: bool = False

    @property
    def features(self) -> str:
        """The names of the networks, as the tables show them."""
        detector = detectors.create(self.detector, **self.params)
        named = {
            "image": resolved(getattr(detector.config, "features", "pixels")),
            "xyz": getattr(detector.config, "points", "points"),
        }
        return " + ".join(Path(named[one]).name for one in ("image", "xyz") if one in detector.modalities)

    @property
    def label(self) -> str:
        """What its rows are called."""
        shots = "" if self.shots is None else f", {self.shots} good, draw {self.draw}"
        return f"{self.detector}{shots}{', all products in one' if self.together else ''}"


@dataclass(frozen=True)
class Places:
    """Folders of a measurement: for its examples, for a training while it runs, and a cache of features."""

    examples: Path
    training: Path | None = None
    cache: Path | None = None


def measure(
    setting: Setting,
    learnt: Sequence[Category],
    shown: Sequence[Category],
    places: Places,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Learn from the good samples of `learnt` and measure on each category of `shown`. Returns plain types:
    figures by category, seconds by stage, bytes, and the config."""
    detector = detectors.create(setting.detector, **setting.params)
    detector.cache, detector.folder, detector.progress = places.cache, places.training, progress
    chosen = [shots_of(one.good, setting.shots, setting.draw) for one in learnt]
    good = [sample for each in chosen for sample in each]
    defects: list[Sample] = []
    if detector.learns_from_defects:
        defects = [sample for one, each in zip(learnt, chosen, strict=True) for sample in taught(one, each)]
    with peak_memory() as peak, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        fitting = 0.0
        if not detector.transductive:
            began = time.perf_counter()
            detector.fit(good, defects)
            fitting = time.perf_counter() - began
        found = {}
        for category in shown:
            began = time.perf_counter()
            scored = _scored(detector, category)
            judging = time.perf_counter() - began
            found[category.name] = figures(scored) | {
                "seconds_an_image": judging / len(scored.ids),
                "scores": dict(zip(scored.ids, scored.scores, strict=True)),
            }
            write_examples(category, scored, places.examples)
    return {
        "detector": setting.detector,
        "features": setting.features,
        "shots": setting.shots,
        "draw": setting.draw,
        "together": setting.together,
        "transductive": detector.transductive,
        "learns_from_defects": detector.learns_from_defects,
        "reconstructed": detector.reconstructed,
        "config": detector.config.model_dump(mode="json"),
        "learnt_from": len(good),
        "fit_seconds": fitting,
        "feature_seconds": detector.encoder.seconds,
        "bank_bytes": detector.nbytes,
        "operations": detector.operations,
        "peak_bytes": peak.bytes,
        "notes": sorted({str(one.message) for one in warned if one.category is UserWarning}),
        "categories": found,
    }


def _scored(detector: Detector, category: Category) -> Scored:
    scored = Scored()
    if detector.transductive:
        scored.add(category.test, detector.fit_predict(category.test))
        return scored
    for batch in chunks(category.test, AT_ONCE):
        scored.add(batch, detector.predict(batch))
    return scored
