"""AUPRO as published codes approximate it, for comparing with their tables and for nothing else.

`mvtec100` (Bergmann et al.; 3D-ADS, M3DM, CFM): 100 thresholds, equidistant in the rank of the defect-free scores, and
the corner (1, 1); interpolated at the limit. About one threshold lies below a limit of 1 %.
`linear200` (UniAD, Dinomaly, RAD): 200 thresholds, equidistant in the range of scores; only rates below the limit are
kept, and divided by the largest of them. One outlying pixel spoils it.
`linear200_shifted` (CFlow, MuSc): the same, the smallest rate that was kept subtracted first.
All of them mark `score > threshold`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eval.metrics.pooled import pool
from eval.metrics.ranking import undefined
from eval.metrics.region_overlap import Maps, area_under, check_limit, region_weights
from synth.errors import EvalError


@dataclass(frozen=True)
class SortedScores:
    """All scores in order: `good` (N,), `defect` (P,), and PRO (P + 1,) where the n lowest defect pixels are missed."""

    good: np.ndarray
    defect: np.ndarray
    pro: np.ndarray

    def pro_above(self, thresholds: np.ndarray) -> np.ndarray:
        return self.pro[np.searchsorted(self.defect, thresholds, "right")]

    def fpr_above(self, thresholds: np.ndarray) -> np.ndarray:
        return 1 - np.searchsorted(self.good, thresholds, "right") / self.good.size


def published_aupro(maps: Maps, masks: Maps, limit: float = 0.3, mode: str = "mvtec100") -> float:
    """AUPRO@limit as one of the MODES computes it, approximately; `eval.metrics.aupro` is exact. NaN, with a warning,
    where there is no defect, no defect-free pixel, or no two thresholds below the limit."""
    if mode not in MODES:
        raise EvalError(f"AUPRO mode {mode} is unknown; choose from {', '.join(MODES)}")
    check_limit(limit)
    scores = sorted_scores(maps, masks)
    if not scores.good.size or not scores.defect.size:
        return undefined("AUPRO", "a defect and a defect-free pixel")
    return MODES[mode](scores, limit)


def sorted_scores(maps: Maps, masks: Maps) -> SortedScores:
    """The scores of both classes in order, with the shares of defects that lie above them."""
    scores, labels = pool(maps, masks)
    order = np.argsort(scores[labels])
    weights = region_weights(masks)[order]
    pro = 1 - np.append(0.0, np.cumsum(weights)) / max(1e-12, weights.sum())
    return SortedScores(np.sort(scores[~labels]), scores[labels][order], pro)


def mvtec(scores: SortedScores, limit: float, thresholds: int = 100) -> float:
    """The area as MVTec's code has it, with any number of quantiles as thresholds."""
    # The code takes rates from ranks: pixels that tie with a threshold do not share its rate.
    ranks = np.linspace(0, scores.good.size - 1, thresholds).astype(np.int64)[::-1]
    fpr = 1 - (ranks + 1) / scores.good.size
    return area_under(np.append(fpr, 1.0), np.append(scores.pro_above(scores.good[ranks]), 1.0), limit)


def linear(scores: SortedScores, limit: float, thresholds: int = 200, shifted: bool = False) -> float:
    """The area with thresholds equidistant in the range of scores, the highest score left out."""
    low, high = (pick(scores.good[end], scores.defect[end]) for pick, end in ((min, 0), (max, -1)))
    steps = np.linspace(low, high, thresholds, endpoint=False)[::-1]
    fpr, pro = scores.fpr_above(steps), scores.pro_above(steps)
    fpr, pro = fpr[fpr < limit], pro[fpr < limit]
    if shifted and fpr.size:
        fpr = fpr - fpr[0]
    if not fpr.size or not fpr[-1]:
        return undefined("AUPRO at 200 thresholds", "two thresholds with rates below the limit")
    return float(np.trapezoid(pro, fpr / fpr[-1]))


MODES: dict[str, Callable[[SortedScores, float], float]] = {
    "mvtec100": mvtec,
    "linear200": linear,
    "linear200_shifted": lambda scores, limit: linear(scores, limit, shifted=True),
}
