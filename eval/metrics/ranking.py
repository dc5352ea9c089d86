"""Metrics of a ranking: AUROC, average precision and F1-max, of images or of pooled pixels.

All three need the counts at the distinct scores of the defects alone: between two of them only false positives are
added, which bends none of these curves. So the good scores are sorted once and searched.

Public codes differ: the trapezoid under the precision-recall curve ("AUPR") is not the average precision, and a sigmoid
applied batch by batch changes every one of them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from eval.metrics.pooled import Arrays, pool


@dataclass(frozen=True, slots=True)
class Counts:
    """At the K distinct scores of the positives, from the highest down: thresholds (K,), true positives with a score
    of at least it (K,), false positives at least it and above it (K,), and the totals of both classes. One sort serves
    all figures of a ranking."""

    thresholds: np.ndarray
    tp: np.ndarray
    fp: np.ndarray
    fp_above: np.ndarray
    positives: int
    negatives: int

    def auroc(self) -> float:
        """As `auroc`."""
        if not self.positives or not self.negatives:
            return undefined("AUROC", "both classes", 4)
        at_score = np.diff(self.tp, prepend=0)
        below = self.negatives - (self.fp + self.fp_above) / 2
        return float((at_score * below).sum() / (self.positives * self.negatives))

    def average_precision(self) -> float:
        """As `average_precision`."""
        if not self.positives:
            return undefined("average precision", "a defect", 4)
        precision = self.tp / (self.tp + self.fp)
        return float((np.diff(self.tp, prepend=0) * precision).sum() / self.positives)

    def f1_max(self) -> float:
        """As `f1_max`."""
        if not self.positives:
            return undefined("F1-max", "a defect", 4)
        return float((2 * self.tp / (self.tp + self.fp + self.positives)).max())


def count(scores: np.ndarray, labels: np.ndarray) -> Counts:
    """The counts of scores (N,) with labels (N,) bool."""
    negatives = np.sort(scores[~labels])
    thresholds, times = np.unique(scores[labels], return_counts=True)
    thresholds, times = thresholds[::-1], times[::-1]
    return Counts(
        thresholds=thresholds,
        tp=np.cumsum(times),
        fp=negatives.size - np.searchsorted(negatives, thresholds, "left"),
        fp_above=negatives.size - np.searchsorted(negatives, thresholds, "right"),
        positives=int(times.sum()),
        negatives=negatives.size,
    )


def auroc(scores: Arrays, labels: Arrays) -> float:
    """Area under the true-positive rate over the false-positive rate, in [0, 1], chance 0.5.

    The probability that a defect scores above a good one, ties counting half (Mann and Whitney 1947). NaN, with a
    warning, where one class is absent."""
    return count(*pool(scores, labels)).auroc()


def average_precision(scores: Arrays, labels: Arrays) -> float:
    """sum_n (R_n - R_(n-1)) P_n over the distinct scores, without interpolation; chance = share of defects. NaN, with
    a warning, where there is no defect."""
    return count(*pool(scores, labels)).average_precision()


def f1_max(scores: Arrays, labels: Arrays) -> float:
    """Largest F1 = 2 P R / (P + R) over all thresholds, in [0, 1]. An oracle's figure: the threshold is chosen on the
    labels that judge it. NaN, with a warning, where there is no defect."""
    return count(*pool(scores, labels)).f1_max()


def undefined(metric: str, wanted: str, stacklevel: int = 3) -> float:
    """NaN, and a warning that names the metric and what it needs; it points `stacklevel` calls up."""
    warnings.warn(f"{metric} is undefined here: it needs {wanted}", stacklevel=stacklevel)
    return float("nan")
