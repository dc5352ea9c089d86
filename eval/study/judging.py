"""What measured trainings show: the gain over real shots, with its interval, and how each training set stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.metrics import SIZE_BINS, Interval, bootstrap, paired_gain
from eval.study.study import Measured, Study
from eval.study.training_sets import BASELINES
from synth.errors import EvalError
from synth.printable import printable

LEAST_IMAGES = 3
"""Test images of a defect type or a size from which an interval can be given."""
LABELS = {
    "real": "real shots",
    "oversample": "real + oversampled",
    "perlin": "real + Perlin",
    "cutpaste": "real + CutPaste",
    "copy_paste": "real + copy-paste",
    "ours": "ours alone",
    "ours_real": "ours + real",
    "noise_control": "noise control",
}
NO_VALIDATION = "No validation shots: {}. The threshold for them is the best one for the other types."


@dataclass(frozen=True)
class Gain:
    """How far `training_set` lies above the training set `over` on the images of `what`: "all types" (the mean over
    types), a defect type, or a size bin. `interval` is None where there are too few images for one."""

    segmenter: str
    training_set: str
    over: str
    what: str
    images: int
    interval: Interval | None

    @property
    def verdict(self) -> str:
        return "too few images" if self.interval is None else self.interval.evidence

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Standing:
    """What a training set reaches: mean IoU over types with its interval, and means over trainings of other figures."""

    segmenter: str
    training_set: str
    iou: Interval
    figures: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """Standings of all training sets, gains over `real`, and of ours_real over each baseline. `images` and
    `validation`: test images and validation shots of each defect type."""

    run: str
    study: Study
    validation: dict[str, int]
    images: dict[str, int]
    good_images: int
    blank: list[str]
    standings: list[Standing]
    gains: list[Gain]
    training: dict[str, float]

    def gain(self, segmenter: str, training_set: str, over: str = "real", what: str = "all types") -> Gain:
        """One of the gains."""
        wanted = (segmenter, training_set, over, what)
        return next(g for g in self.gains if (g.segmenter, g.training_set, g.over, g.what) == wanted)

    def to_json(self) -> dict[str, Any]:
        return {
            "run": Path(self.run).resolve().name,  # the file is shared, the machine's folders are not
            "segmenters": self.study.segmenters,
            "training_sets": self.study.training_sets,
            "seeds": self.study.seeds,
            "test_images": self.images,
            "test_good_images": self.good_images,
            "validation_shots": self.validation,
            "left_out_blank_masks": self.blank,
            "standings": [standing.to_json() for standing in self.standings],
            "gains": [gain.to_json() for gain in self.gains],
            "training": self.training,
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people: the standing and the gain of every training set, one line each."""
        lines = []
        for name in self.study.segmenters:
            lines.append(f"{name}: mean IoU over {len(self.images)} defect types, {self.study.seeds} trainings each")
            for standing in (s for s in self.standings if s.segmenter == name):
                text = f"  {LABELS[standing.training_set]:<20} {standing.iou}"
                if standing.training_set != "real":
                    gain = self.gain(name, standing.training_set)
                    text += f"  gain {gain.interval} {gain.verdict}" if gain.interval else f"  {gain.verdict}"
                lines.append(text)
        lacking = self.without_validation
        return [*lines, NO_VALIDATION.format(", ".join(map(printable, lacking)))] if lacking else lines

    @property
    def without_validation(self) -> list[str]:
        """Defect types without validation shots of their own."""
        return [kind for kind, count in self.validation.items() if not count]


def judge(run: str, study: Study, measured: Measured) -> Verdict:
    """The verdict on what was measured."""
    gains = []
    for segmenter in study.segmenters:
        pairs = [(training_set, "real") for training_set in study.training_sets if training_set != "real"]
        pairs += [("ours_real", b) for b in BASELINES if {"ours_real", b} <= set(study.training_sets)]
        gains += [gain for pair in pairs for gain in _gains(measured, segmenter, *pair)]
    standings = [_standing(measured, s, training_set) for s in study.segmenters for training_set in study.training_sets]
    images = dict(sorted(Counter(measured.defects).items()))
    training = _training(measured)
    return Verdict(
        run, study, measured.validation, images, measured.good_images, measured.blank, standings, gains, training
    )


def _gains(measured: Measured, segmenter: str, training_set: str, over: str) -> list[Gain]:
    ours, base = (measured.table("iou", segmenter, name) for name in (training_set, over))
    types, sizes = np.array(measured.defects), np.array(measured.sizes)
    counts = Counter(measured.defects)
    judged = np.array([counts[kind] >= LEAST_IMAGES for kind in measured.defects])
    parts: list[tuple[str, np.ndarray, bool]] = [("all types", judged, True)]
    parts += [(_distinct(kind), types == kind, False) for kind in sorted(counts)]
    parts += [(f"size {name}", sizes == name, False) for name in SIZE_BINS if name in measured.sizes]
    gains = []
    for what, chosen, by_type in parts:
        interval = None
        if chosen.sum() >= LEAST_IMAGES:
            strata = list(types[chosen]) if by_type else None
            interval = paired_gain(ours[:, chosen], base[:, chosen], strata)
        gains.append(Gain(segmenter, training_set, over, what, int(chosen.sum()), interval))
    return gains


def _distinct(kind: str) -> str:
    """A defect type as `Gain.what`, which has other groups of images too."""
    return f"defect {kind}" if kind == "all types" or kind.startswith("size ") else kind


def _standing(measured: Measured, segmenter: str, training_set: str) -> Standing:
    counts = Counter(measured.defects)
    judged = [counts[kind] >= LEAST_IMAGES for kind in measured.defects]
    if not any(judged):
        raise EvalError(f"no defect type has {LEAST_IMAGES} test images; a verdict needs more of them")
    strata = [kind for kind, kept in zip(measured.defects, judged, strict=True) if kept]
    table = measured.table("iou", segmenter, training_set)[:, judged]
    keys = ["pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro_30"]
    keys += ["image_auroc", "image_ap", "false_area"] if measured.good_images else []
    figures = {key: float(measured.table(key, segmenter, training_set).mean()) for key in keys}
    figures["best_iou"] = _mean_over(measured.table("best_iou", segmenter, training_set)[:, judged], strata)
    return Standing(segmenter, training_set, bootstrap(table, strata).within(0, 1), figures)


def _mean_over(table: np.ndarray, strata: Sequence[str]) -> float:
    names = np.array(strata)
    return float(np.mean([table[:, names == name].mean() for name in set(strata)]))


def _training(measured: Measured) -> dict[str, float]:
    """Minutes of all trainings, the largest share of its time that one waited for images, and CPU cores in use on
    average."""
    trained = [result["trained"] for result in measured.results]
    return {
        "trainings": len(trained),
        "minutes": sum(t["seconds"] for t in trained) / 60,
        "data_wait_fraction": max(t["data_wait"] for t in trained),
        "cpu_cores": float(np.mean([t["cores"] for t in trained])),
    }
