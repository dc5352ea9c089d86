"""What measured trainings show: the gain over real shots, with its interval, and how each training set stands.

A gain "helps" or "hurts" where its interval lies above or below zero, else there is "no evidence". Where neither of the
two training sets has learnt to find anything, by LEARNT, it is "not learnt": nothing was compared then. One training
each shows no seed variance; it is a "quick look", without intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
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
LEARNT = 0.02
"""Mean IoU at each image's own best threshold below which a training set has taught nothing."""
QUICK = "quick look, no interval: one training each"
ALL_TYPES = "all types"
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
    types), a defect type, or a size bin. `value` is None where there are too few images, `interval` there and in a
    quick look; `learnt`: whether either of the two finds anything."""

    segmenter: str
    training_set: str
    over: str
    what: str
    images: int
    interval: Interval | None
    value: float | None
    learnt: bool = True

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "too few images"
        if not self.learnt:
            return "not learnt"
        return "quick look" if self.interval is None else self.interval.evidence

    @property
    def points(self) -> str:
        """Value and interval in hundredths, as "+3.1 [+0.4, +5.8]"."""
        if self.value is None:
            return ""
        ends = "" if self.interval is None else f" [{100 * self.interval.low:+.1f}, {100 * self.interval.high:+.1f}]"
        return f"{100 * self.value:+.1f}{ends}"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Standing:
    """What a training set reaches: mean IoU over types, with its interval but in a quick look, and means over trainings
    of other figures."""

    segmenter: str
    training_set: str
    value: float
    iou: Interval | None
    figures: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """Standings of all training sets, gains over `real`, and of ours_real over each baseline. `images` and
    `validation`: test images and validation shots of each defect type; `unseen`: gains on types that were left out of
    the training."""

    run: str
    study: Study
    validation: dict[str, int]
    images: dict[str, int]
    good_images: int
    blank: list[str]
    standings: list[Standing]
    gains: list[Gain]
    training: dict[str, float]
    unseen: list[Gain] = field(default_factory=list)

    @property
    def quick(self) -> bool:
        """Whether it is a quick look, without intervals."""
        return self.study.seeds < 2

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
            "quick": QUICK if self.quick else None,
            "test_images": self.images,
            "test_good_images": self.good_images,
            "validation_shots": self.validation,
            "left_out_blank_masks": self.blank,
            "standings": [standing.to_json() for standing in self.standings],
            "gains": [gain.to_json() for gain in self.gains],
            "unseen_types": [gain.to_json() for gain in self.unseen],
            "training": self.training,
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people: the standing and the gain of every training set, one line each."""
        lines = [QUICK] if self.quick else []
        for name in self.study.segmenters:
            count = "one training" if self.quick else f"{self.study.seeds} trainings"
            lines.append(f"{name}: mean IoU over {len(self.images)} defect types, {count} each")
            for standing in (s for s in self.standings if s.segmenter == name):
                text = f"  {LABELS[standing.training_set]:<20} {standing.iou or f'{standing.value:.3f}'}"
                if standing.training_set != "real":
                    text += _said(self.gain(name, standing.training_set))
                lines.append(text)
            for gain in (g for g in self.unseen if g.segmenter == name):
                lines.append(f"  {LABELS[gain.training_set]}, {printable(gain.what)} unseen:{_said(gain)}")
        lacking = self.without_validation
        return [*lines, NO_VALIDATION.format(", ".join(map(printable, lacking)))] if lacking else lines

    @property
    def without_validation(self) -> list[str]:
        """Defect types without validation shots of their own."""
        return [kind for kind, count in self.validation.items() if not count]


def _said(gain: Gain) -> str:
    if gain.value is None:
        return f"  {gain.verdict}"
    return f"  gain {gain.interval or f'{gain.value:+.3f}'} {gain.verdict}"


def pairs(training_sets: Sequence[str]) -> list[tuple[str, str]]:
    """What is compared with what: every training set with `real`, ours_real with each baseline."""
    over_real = [(name, "real") for name in training_sets if name != "real"]
    return over_real + [("ours_real", b) for b in BASELINES if {"ours_real", b} <= set(training_sets)]


def judge(run: str, study: Study, measured: Measured, unseen: Measured | None = None) -> Verdict:
    """The verdict on what was measured, `unseen` with the types left out that it was measured on."""
    compared = [(segmenter, *pair) for segmenter in study.segmenters for pair in pairs(study.training_sets)]
    gains = [gain for one in compared for gain in _gains(measured, *one)]
    sizes = {f"size {name}" for name in SIZE_BINS}
    left_out = [] if unseen is None else [g for one in compared for g in _gains(unseen, *one) if g.what not in sizes]
    standings = [_standing(measured, s, training_set) for s in study.segmenters for training_set in study.training_sets]
    images = dict(sorted(Counter(measured.defects).items()))
    training = training_costs([measured] if unseen is None else [measured, unseen])
    good, blank = measured.good_images, measured.blank
    return Verdict(run, study, measured.validation, images, good, blank, standings, gains, training, left_out)


def judged_images(measured: Measured) -> np.ndarray:
    """bool (N,): the images whose defect type has enough of them."""
    counts = Counter(measured.defects)
    return np.array([counts[kind] >= LEAST_IMAGES for kind in measured.defects], bool)


def _gains(measured: Measured, segmenter: str, training_set: str, over: str) -> list[Gain]:
    ours, base = (measured.table("iou", segmenter, name) for name in (training_set, over))
    best = [measured.table("best_iou", segmenter, name) for name in (training_set, over)]
    types, sizes = np.array(measured.defects), np.array(measured.sizes)
    parts: list[tuple[str, np.ndarray, bool]] = [(ALL_TYPES, judged_images(measured), True)]
    parts += [(_distinct(kind), types == kind, False) for kind in sorted(set(measured.defects))]
    parts += [(f"size {name}", sizes == name, False) for name in SIZE_BINS if name in measured.sizes]
    gains = []
    for what, chosen, by_type in parts:
        images, interval, value, found = int(chosen.sum()), None, None, True
        if images >= LEAST_IMAGES:
            strata = list(types[chosen]) if by_type else [what] * images
            value = mean_over(ours[:, chosen], strata) - mean_over(base[:, chosen], strata)
            found = learnt([table[:, chosen] for table in best])
            if min(len(ours), len(base)) > 1:
                interval = paired_gain(ours[:, chosen], base[:, chosen], strata)
        gains.append(Gain(segmenter, training_set, over, what, images, interval, value, found))
    return gains


def learnt(best: Sequence[np.ndarray]) -> bool:
    """Whether one of the training sets, given by its IoU at each image's best threshold, finds anything."""
    return max(float(table.mean()) for table in best) >= LEARNT


def _distinct(kind: str) -> str:
    """A defect type as `Gain.what`, which has other groups of images too."""
    return f"defect {kind}" if kind == "all types" or kind.startswith("size ") else kind


def _standing(measured: Measured, segmenter: str, training_set: str) -> Standing:
    judged = judged_images(measured)
    if not judged.any():
        raise EvalError(f"no defect type has {LEAST_IMAGES} test images; a verdict needs more of them")
    strata = list(np.array(measured.defects)[judged])
    table = measured.table("iou", segmenter, training_set)[:, judged]
    keys = ["pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro_30"]
    keys += ["image_auroc", "image_ap", "false_area"] if measured.good_images else []
    figures = {key: float(measured.table(key, segmenter, training_set).mean()) for key in keys}
    figures["best_iou"] = mean_over(measured.table("best_iou", segmenter, training_set)[:, judged], strata)
    interval = bootstrap(table, strata).within(0, 1) if len(table) > 1 else None
    return Standing(segmenter, training_set, mean_over(table, strata), interval, figures)


def mean_over(table: np.ndarray, strata: Sequence[str]) -> float:
    """Mean over strata of the mean of (..., N) in each."""
    names = np.array(strata)
    return float(np.mean([table[..., names == name].mean() for name in sorted(set(strata))]))


def training_costs(measured: Sequence[Measured]) -> dict[str, float]:
    """Minutes of all trainings, each counted once, the largest share of its time that one waited for images, and CPU
    cores in use on average."""
    found = [result["trained"] for one in measured for result in one.results]
    trained = list({tuple(sorted(one.items())): one for one in found}.values())
    return {
        "trainings": len(trained),
        "minutes": sum(t["seconds"] for t in trained) / 60,
        "data_wait_fraction": max(t["data_wait"] for t in trained),
        "cpu_cores": float(np.mean([t["cores"] for t in trained])),
    }
