"""One threshold and what it does; everywhere, `score >= threshold` is called a defect.

F1 is high for whoever calls everything a defect where most things are: `Decisions.all_positive_f1` belongs beside it,
and the specificity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eval.metrics.pooled import Arrays, parts, pool
from eval.metrics.ranking import count, undefined
from synth.errors import EvalError

SHARE = 0.995
"""Share of good images, or pixels, that a threshold from good ones alone lets pass."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """How many defects and good ones a threshold calls defects (tp, fp) and lets pass (fn, tn). A figure without
    anything to measure it on is NaN, with a warning."""

    tp: int
    fp: int
    fn: int
    tn: int

    def precision(self) -> float:
        """Share of defects among those called so."""
        return self._share("precision", self.tp, self.tp + self.fp, "something that is called a defect")

    def recall(self) -> float:
        """Share of the defects that is found."""
        return self._share("recall", self.tp, self.tp + self.fn, "a defect")

    def specificity(self) -> float:
        """Share of the good ones that passes."""
        return self._share("specificity", self.tn, self.tn + self.fp, "a good one")

    def accuracy(self) -> float:
        """Share of right decisions."""
        return self._share("accuracy", self.tp + self.tn, self.tp + self.fp + self.fn + self.tn, "anything to decide")

    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where no defect is found."""
        return self._share("F1", 2 * self.tp, 2 * self.tp + self.fp + self.fn, "a defect", self.tp + self.fn)

    def all_positive_f1(self) -> float:
        """The F1 of calling everything a defect."""
        positives, all_of_them = self.tp + self.fn, self.tp + self.fp + self.fn + self.tn
        return self._share("F1", 2 * positives, positives + all_of_them, "a defect", positives)

    @staticmethod
    def _share(metric: str, part: int, whole: int, wanted: str, needed: int | None = None) -> float:
        if not (whole if needed is None else needed):
            return undefined(metric, wanted, 4)
        return part / whole


def decide(scores: Arrays, labels: Arrays, threshold: float) -> Decisions:
    """What `score >= threshold` does to scores and labels of images or pixels."""
    values, truth = pool(scores, labels)
    called = values >= np.float64(threshold)  # a Python float would be rounded to float32 scores
    tp, positives, found = int((called & truth).sum()), int(truth.sum()), int(called.sum())
    return Decisions(tp, found - tp, positives - tp, truth.size - found - positives + tp)


def threshold_of_good(scores: Arrays, share: float = SHARE) -> float:
    """The lowest threshold that lets at least `share` of the scores of good images or pixels pass: just above the k-th
    lowest of n, k = ceil(share n), without interpolation. Of new ones from the same source at most 1 - k / (n + 1) are
    expected to lie above it. EvalError without scores, and for a share outside (0, 1]."""
    if not 0 < share <= 1:
        raise EvalError(f"share is {share}, wanted more than 0 and at most 1, such as {SHARE}")
    values = np.concatenate([part.ravel() for part in parts(scores)])
    if not values.size or not np.isfinite(values).all():
        raise EvalError("a threshold needs scores of good images, all of them finite")
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    # A hair off, since 0.95 * 20 is 19.000000000000004 to some.
    place = math.ceil(share * values.size * (1 - 1e-12)) - 1
    highest = np.partition(values, place)[place]
    return float(np.nextafter(highest, values.dtype.type(np.inf)))


def best_f1_threshold(scores: Arrays, labels: Arrays, prevalence: float | None = None) -> float:
    """The threshold of the largest F1, in the middle of the gap to the next score below it; the highest such threshold
    where several are as good. prevalence: the share of defects to count with, where that of the labels means nothing;
    with p it is 2 p TPR / (p TPR + (1 - p) FPR + p). EvalError without a defect, or with a prevalence and no good
    one."""
    values, truth = pool(scores, labels)
    counts = count(values, truth)
    if not counts.positives or not (counts.negatives or prevalence is None):
        raise EvalError(f"{counts.positives} defects and {counts.negatives} good ones choose no threshold; give both")
    p = counts.positives / truth.size if prevalence is None else prevalence
    hit, false = p * counts.tp / counts.positives, (1 - p) * counts.fp / max(counts.negatives, 1)
    threshold = counts.thresholds[int((hit / (hit + false + p)).argmax())]
    below = values[values < threshold].max(initial=-np.inf)
    middle = threshold / 2 + below / 2
    return float(middle if below < middle else threshold)
