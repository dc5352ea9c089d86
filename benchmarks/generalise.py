"""Do detectors that are taught by synthetic defects find others?

python benchmarks/generalise.py RUN [--others RUN ...] [--detectors das3d_style,vote3deep] [--set side=96]
                                [--leave-out dent,crack]

RUN: a finished RGB-D run of one product. A detector learns from two thirds of its good images and is tested on good
test images and synthetic defects on the others, by type: taught by all types, and by all but the one that it is tested
on. das3d_style draws its own: those of the preset das3d_like, or our types (`physical`). Each of these is also tested
on the real or rendered defects of the other runs, whose good images are from other scenes. Image AUROC with 95 %
intervals over the test samples; the last lines compare two trainings on the same samples.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval import detectors
from eval.benchmark.data import Category, categories
from eval.detectors import Detector
from eval.detectors.das3d_style.drawing import PHYSICAL
from eval.metrics import auroc, image_intervals
from synth.recipe.safe_yaml import parse
from synth.sample import Sample

REPEATS = 2000


@dataclass(frozen=True)
class Taught:
    """A detector, what it was taught by, and its scores (n,) of each test set by name."""

    by: str
    scores: dict[str, np.ndarray]


def trainings(
    name: str, category: Category, params: dict[str, Any], left_out: Sequence[str]
) -> list[tuple[str, dict[str, Any], list[Sample]]]:
    """What is compared: a label, parameters and labelled defects. left_out: types that are left out, one at a time; all
    of the run where none is named."""
    kinds = sorted({str(sample.defect) for sample in category.test if sample.defect is not None})
    singled = left_out or kinds
    if name == "das3d_style":
        own: list[tuple[str, dict[str, Any]]] = [
            ("das3d_like", {"defects": "das3d_like"}),
            ("physical", {"defects": "physical", "types": kinds}),
        ]
        left: list[tuple[str, dict[str, Any]]] = [
            (f"physical without {kind}", {"defects": "physical", "types": [one for one in kinds if one != kind]})
            for kind in singled
            if kind in PHYSICAL
        ]
        return [(label, params | chosen, []) for label, chosen in [*own, *left]]
    defects = [*category.defects]
    without = [(f"all without {kind}", [one for one in defects if one.defect != kind]) for kind in singled]
    return [(label, params, chosen) for label, chosen in [("all", defects), *without]]


def taught(
    name: str, label: str, params: dict[str, Any], category: Category, defects: Sequence[Sample], kept: Path
) -> Detector:
    detector = detectors.create(name, **params)
    detector.folder = kept / f"{name}-{label.replace(' ', '_')}"
    detector.progress = lambda _what, done, steps: print(f"\r{label}: {done} of {steps}", end="", flush=True)
    return detector.fit(category.good, defects) if detector.learns_from_defects else detector.fit(category.good)


def by_type(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """Rows of all good samples with those of each type, and of all."""
    kinds = np.array([str(sample.defect) for sample in samples])
    return {"all": np.arange(len(kinds))} | {
        kind: np.flatnonzero((kinds == "None") | (kinds == kind)) for kind in sorted({*kinds} - {"None"})
    }


def shown_by(sample: Sample) -> str:
    """The id of the good image that a sample shows."""
    start = None if sample.provenance is None else sample.provenance.start
    return sample.id if start is None else start.id


def gain(ours: np.ndarray, other: np.ndarray, defective: np.ndarray, shared: np.ndarray) -> tuple[float, float, float]:
    """How much higher an AUROC is than another on the same samples, with its interval: bootstrap of good and defective
    samples apart, those on one good image together."""
    rng = np.random.default_rng(0)
    groups = [
        [np.flatnonzero((shared == name) & (defective == kind)) for name in np.unique(shared[defective == kind])]
        for kind in (True, False)
    ]
    found = []
    for _ in range(REPEATS):
        rows = np.concatenate([own[k] for own in groups for k in rng.integers(len(own), size=len(own))])
        found.append(auroc(ours[rows], defective[rows]) - auroc(other[rows], defective[rows]))
    low, high = np.quantile(found, (0.025, 0.975))
    return auroc(ours, defective) - auroc(other, defective), float(low), float(high)


def shown(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--others", type=Path, nargs="*", default=[])
    parser.add_argument("--detectors", default="das3d_style,vote3deep")
    parser.add_argument("--set", dest="settings", nargs="*", default=[])
    parser.add_argument("--leave-out", default="")
    parser.add_argument("--keep", type=Path, default=Path("outputs/generalise"), help="folder of checkpoints")
    given = parser.parse_args()
    left_out = [kind for kind in given.leave_out.split(",") if kind]
    params = {key: parse(text)[1] for key, _, text in (one.partition("=") for one in given.settings)}
    (category,) = categories(given.run, "synthetic")
    tests = {category.name: [*category.test]}
    for other in given.others:
        (one,) = categories(other, "real")
        tests[one.name] = [*one.test]
    for name in given.detectors.split(","):
        fields = type(detectors.create(name).config).model_fields
        own = {key: value for key, value in params.items() if key in fields}
        found = []
        for label, chosen, defects in trainings(name, category, own, left_out):
            detector = taught(name, label, chosen, category, defects, given.keep)
            found.append(Taught(label, {test: detector.predict(samples).score for test, samples in tests.items()}))
            print(f"\r| {name} | {label} |", report(found[-1], tests), flush=True)
        compare(name, found, tests)


def report(one: Taught, tests: dict[str, list[Sample]]) -> str:
    cells = []
    for test, samples in tests.items():
        defective = np.array([sample.defect is not None for sample in samples])
        for kind, rows in by_type(samples).items():
            shared = [shown_by(samples[row]) for row in rows]
            interval = image_intervals(one.scores[test][rows], defective[rows], shared=shared)["image_auroc"]
            cells.append(f"{test}, {kind}: {shown(interval.value, interval.low, interval.high)}")
    return "; ".join(cells)


def compare(name: str, found: Sequence[Taught], tests: dict[str, list[Sample]]) -> None:
    """The second training against the first, where both are whole, and each that left a type out against the whole
    one, on that type."""
    by = {one.by: one for one in found}
    whole = by.get("physical") or by["all"]
    for test, samples in tests.items():
        defective = np.array([sample.defect is not None for sample in samples])
        shared = np.array([shown_by(sample) for sample in samples])
        kinds = by_type(samples)
        if "das3d_like" in by:
            value = gain(whole.scores[test], by["das3d_like"].scores[test], defective, shared)
            print(f"{name} on {test}: physical over das3d_like {shown(*value)}")
        for one in found:
            _, out, kind = one.by.partition(" without ")
            if not out or kind not in kinds:
                continue
            rows = kinds[kind]
            value = gain(one.scores[test][rows], whole.scores[test][rows], defective[rows], shared[rows])
            print(f"{name} on {test}, {kind}: left out over taught {shown(*value)}")
            if "das3d_like" in by:
                value = gain(one.scores[test][rows], by["das3d_like"].scores[test][rows], defective[rows], shared[rows])
                print(f"{name} on {test}, {kind}: left out over das3d_like {shown(*value)}")


if __name__ == "__main__":
    main()
