"""Ranking metrics of pixels that are seen once and not kept: counts in equally wide bins of the score.

A histogram holds three numbers a bin (defect-free pixels, defect pixels, shares of connected defects), whatever the
number of images. Its figures are the exact ones of scores rounded to the bins: two scores differ in rank only where
they lie in different bins. So AUROC is off by at most half the share of (defect, defect-free) pairs that share a bin,
and AUPRO@L by at most (largest share of defect-free pixels in a bin) / L; pixels spread evenly over 4,000 bins
keep both below 1e-3.

Probabilities of a network crowd at 0 and 1: count their `logit`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.metrics.pooled import pool
from eval.metrics.ranking import Counts, undefined
from eval.metrics.region_overlap import LIMITS, area_under, region_weights
from eval.metrics.thresholds import SHARE
from synth.errors import EvalError

BINS = 1 << 17


class ScoreHistogram:
    """Pixels counted by score between `low` and `high`; scores beyond count in the outermost bins."""

    def __init__(self, low: float, high: float, bins: int = BINS) -> None:
        if not (low < high and bins > 0):
            raise EvalError(f"a histogram from {low} to {high} with {bins} bins holds nothing; give low < high")
        self._low, self._scale = low, bins / (high - low)
        self._good = np.zeros(bins, np.int64)
        self._defect = np.zeros(bins, np.int64)
        self._regions = np.zeros(bins)

    def add(self, scores: np.ndarray, mask: np.ndarray) -> None:
        """Count an image: scores (H, W) and its bool mask (H, W). EvalError where they do not fit each other or a score
        is NaN or infinite."""
        values, labels = pool(scores, mask)
        bins = len(self._good)
        place = np.clip((values - self._low) * self._scale, 0, bins - 1).astype(np.int64)
        self._good += np.bincount(place[~labels], minlength=bins)
        self._defect += np.bincount(place[labels], minlength=bins)
        self._regions += np.bincount(place[labels], region_weights([mask]), minlength=bins)

    def counts(self) -> Counts:
        """The counts of which AUROC, average precision and F1-max are made; a threshold is the lower edge of a bin."""
        tp, fp = np.cumsum(self._defect[::-1]), np.cumsum(self._good[::-1])
        above = fp - self._good[::-1]
        edges = self._low + np.arange(len(tp))[::-1] / self._scale
        shown = self._defect[::-1] > 0
        return Counts(edges[shown], tp[shown], fp[shown], above[shown], int(tp[-1]), int(fp[-1]))

    def aupro(self, limit: float = 0.3) -> float:
        """As `eval.metrics.aupro`. NaN, with a warning, where there is no defect or no defect-free pixel."""
        return self.aupros([limit])[limit]

    def aupros(self, limits: Sequence[float] = LIMITS) -> dict[float, float]:
        """As `eval.metrics.aupros`."""
        good, regions = np.cumsum(self._good[::-1]), np.cumsum(self._regions[::-1])
        if not good[-1] or not regions[-1]:
            return dict.fromkeys(limits, undefined("AUPRO", "a defect and a defect-free pixel"))
        shown = (self._good + self._defect)[::-1] > 0
        fpr, pro = np.append(0.0, good[shown] / good[-1]), np.append(0.0, regions[shown] / regions[-1])
        return {limit: area_under(fpr, pro, limit) for limit in limits}

    def threshold_of_good(self, share: float = SHARE) -> float:
        """As `eval.metrics.threshold_of_good` of all defect-free pixels, at most a bin higher. EvalError without
        one."""
        passed = np.cumsum(self._good)
        if not passed[-1]:
            raise EvalError("a threshold needs scores of defect-free pixels")
        return float(self._low + (np.searchsorted(passed, share * passed[-1]) + 1) / self._scale)


LOGITS = (-104.0, 18.0)
"""The logits of all float32 probabilities between 0 and 1."""


def logit(probabilities: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) of probabilities (H, W), float64 (H, W); those of 0 and 1 are the ends of LOGITS."""
    values = probabilities.astype(np.float64)
    with np.errstate(divide="ignore"):
        return np.clip(np.log(values) - np.log1p(-values), *LOGITS)
