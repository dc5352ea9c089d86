"""What a study over several data sets and draws of the shots shows: gains by condition, and pooled over conditions.

The formula of the pooled gain, with its interval, is that of `eval.metrics.bootstrap.pooled_gain`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eval.metrics import Interval, Paired, pooled_difference, pooled_gain
from eval.study.judging import Gain, judged_images, learnt, mean_over, pairs
from eval.study.study import Measured
from synth.errors import EvalError

POOLED = "all conditions"
ALL_SEGMENTERS = "all segmenters"
FIGURES = ("pixel_ap", "aupro_30", "pixel_auroc")


@dataclass(frozen=True)
class MeasuredCondition:
    """A data set and a number of shots: what was measured after each draw, on the same test images, and which those
    are."""

    name: str
    images: str
    draws: list[Measured]

    def __post_init__(self) -> None:
        first = self.draws[0]
        if any((one.defects, one.sizes) != (first.defects, first.sizes) for one in self.draws):
            raise EvalError(f"{self.name}: the draws were measured on different test images; nothing can be paired")
        if not self.judged.any():
            raise EvalError(f"{self.name}: no defect type has enough test images")

    @property
    def judged(self) -> np.ndarray:
        """bool (N,): the images that count."""
        return judged_images(self.draws[0])

    @property
    def strata(self) -> list[str]:
        """The defect types of the images that count."""
        return [str(kind) for kind in np.array(self.draws[0].defects)[self.judged]]

    @property
    def key(self) -> str:
        """Equal for conditions with the same test images."""
        return f"{self.images} {self.draws[0].defects} {self.draws[0].sizes}"

    @property
    def images_by_type(self) -> dict[str, int]:
        """Test images of each defect type."""
        return dict(sorted(Counter(self.draws[0].defects).items()))

    def table(self, key: str, segmenters: Sequence[str], training_set: str) -> np.ndarray:
        """(D, S, N) of `iou` or `best_iou`, or (D, S) of a figure of all images; the mean over segmenters."""
        of_draws = [np.mean([draw.table(key, one, training_set) for one in segmenters], 0) for draw in self.draws]
        table = np.array(of_draws)
        return table[..., self.judged] if table.ndim == 3 else table


@dataclass(frozen=True)
class Level:
    """What a training set reaches under a condition, or on average over all of them: the mean over draws and
    trainings of the mean IoU over types and of other figures."""

    segmenter: str
    training_set: str
    condition: str
    figures: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def gains_of(
    conditions: Sequence[MeasuredCondition], segmenters: Sequence[str], training_sets: Sequence[str], key: str = "iou"
) -> list[Gain]:
    """Gains in `iou` or a figure of all images: of each segmenter, and of all together, pooled over conditions and
    under each. No intervals where there is one draw with one training of everything."""
    named = {POOLED: list(conditions)} if len(conditions) > 1 else {}
    named |= {condition.name: [condition] for condition in conditions}
    return [
        _gain(found, segmenter, members, *pair, what, key)
        for segmenter, members in by_segmenter(segmenters).items()
        for pair in pairs(training_sets)
        for what, found in named.items()
    ]


def levels_of(
    conditions: Sequence[MeasuredCondition], segmenters: Sequence[str], training_sets: Sequence[str]
) -> list[Level]:
    """The levels of every segmenter, training set and condition, those of all conditions first."""
    levels = []
    for segmenter, members in by_segmenter(segmenters).items():
        for training_set in training_sets:
            own = {one.name: _figures(one, members, training_set) for one in conditions}
            if len(own) > 1:
                keys = next(iter(own.values()))
                own = {POOLED: {key: float(np.mean([each[key] for each in own.values()])) for key in keys}, **own}
            levels += [Level(segmenter, training_set, name, figures) for name, figures in own.items()]
    return levels


def by_segmenter(segmenters: Sequence[str]) -> dict[str, list[str]]:
    """What is told of: all segmenters together, where there are several, and each alone."""
    together = {ALL_SEGMENTERS: list(segmenters)} if len(segmenters) > 1 else {}
    return together | {name: [name] for name in segmenters}


def _gain(
    conditions: Sequence[MeasuredCondition],
    segmenter: str,
    members: Sequence[str],
    training_set: str,
    over: str,
    what: str,
    key: str,
) -> Gain:
    found = [tuple(one.table(key, members, name) for name in (training_set, over)) for one in conditions]
    strata = [one.strata if key == "iou" else None for one in conditions]
    means = [_mean(ours, own) - _mean(base, own) for (ours, base), own in zip(found, strata, strict=True)]
    interval: Interval | None = None
    if all(ours.shape[:2] != (1, 1) for ours, _ in found):
        if key == "iou":
            paired = zip(found, conditions, strict=True)
            interval = pooled_gain([Paired(ours, base, one.strata, one.key) for (ours, base), one in paired])
        else:
            interval = pooled_difference(
                [(ours, base, one.key) for (ours, base), one in zip(found, conditions, strict=True)]
            )
    best = [one.table("best_iou", members, name) for one in conditions for name in (training_set, over)]
    images = sum({one.key: len(one.strata) for one in conditions}.values())
    return Gain(segmenter, training_set, over, what, images, interval, float(np.mean(means)), learnt(best))


def _mean(table: np.ndarray, strata: Sequence[str] | None) -> float:
    return float(table.mean()) if strata is None else mean_over(table, strata)


def _figures(condition: MeasuredCondition, members: Sequence[str], training_set: str) -> dict[str, float]:
    overlap = {
        key: mean_over(condition.table(key, members, training_set), condition.strata) for key in ("iou", "best_iou")
    }
    return overlap | {key: float(condition.table(key, members, training_set).mean()) for key in FIGURES}
