"""AUPRO@L: the area under the per-region overlap curve up to a false-positive rate of L (Bergmann et al. 2020).

PRO(t): mean over all connected defects (8-neighbours, all images pooled, each of weight 1) of the share of it that
scores at least t. FPR(t): share of all defect-free pixels, of good and of defective images, that score at least t.
AUPRO@L = 1/L * integral of PRO over FPR from 0 to L, with PRO at L interpolated; in [0, 1], and L/2 for a constant map.

Public codes differ: 200 thresholds spread over the range of scores lose nearly all of them to one outlying pixel, 100
quantiles leave about one point below an L of 1 %, and a division by the last rate kept instead of L inflates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from eval.metrics.pooled import pool
from eval.metrics.ranking import undefined
from synth.errors import EvalError

Maps = np.ndarray | Sequence[np.ndarray]
NEIGHBOURS = np.ones((3, 3))
LIMITS = (0.3, 0.1, 0.05, 0.01)
"""The false-positive rates that the field integrates up to; the first is the usual one."""


def aupro(maps: Maps, masks: Maps, limit: float = 0.3) -> float:
    """AUPRO@limit of anomaly maps and bool masks, each (n, H, W) or n arrays (H, W) that may differ in size. NaN, with
    a warning, where there is no defect or no defect-free pixel."""
    fpr, pro = pro_curve(maps, masks, limit)
    if not fpr.size:
        return undefined("AUPRO", "a defect and a defect-free pixel")
    return area_under(fpr, pro, limit)


def aupros(maps: Maps, masks: Maps, limits: Sequence[float] = LIMITS) -> dict[float, float]:
    """`aupro` at several limits, from one curve."""
    fpr, pro = pro_curve(maps, masks, max(limits))
    if not fpr.size:
        return dict.fromkeys(limits, undefined("AUPRO", "a defect and a defect-free pixel"))
    return {limit: area_under(fpr, pro, limit) for limit in limits}


def area_under(fpr: np.ndarray, pro: np.ndarray, limit: float) -> float:
    """AUPRO@limit of a curve that reaches at least the limit; one curve serves several limits."""
    check_limit(limit)
    inside = fpr < limit
    x = np.append(fpr[inside], limit)
    y = np.append(pro[inside], _at(fpr, pro, limit))
    return float(np.trapezoid(y, x) / limit)


def pro_curve(maps: Maps, masks: Maps, limit: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The corners (fpr, pro) of the curve, each (K,), from (0, 0) to beyond the limit; empty where it is undefined.

    Only good pixels that can matter below the limit are sorted; PRO rises at the scores of defects alone, and by each
    of them in a straight line where good pixels tie with it."""
    check_limit(limit)
    scores, labels = pool(maps, masks)
    weights = region_weights(masks)
    good, defect = scores[~labels], scores[labels]
    if not good.size or not defect.size:
        return np.empty(0), np.empty(0)
    kept = min(good.size, int(limit * good.size) + 1)
    lowest = np.partition(good, good.size - kept)[good.size - kept]
    sorted_good = np.sort(good[good >= lowest])
    thresholds, place = np.unique(defect, return_inverse=True)
    reached = np.cumsum(np.bincount(place, weights)[::-1]) / weights.sum()
    thresholds = thresholds[::-1]
    above, at_least = (sorted_good.size - np.searchsorted(sorted_good, thresholds, side) for side in ("right", "left"))
    fpr = np.stack([above, at_least], axis=1).ravel() / good.size
    pro = np.stack([np.append(0.0, reached[:-1]), reached], axis=1).ravel()
    return np.concatenate([[0.0], fpr, [1.0]]), np.concatenate([[0.0], pro, [pro[-1]]])


def check_limit(limit: float) -> None:
    """EvalError for a limit that is no false-positive rate."""
    if not 0 < limit <= 1:
        raise EvalError(f"limit is {limit}, wanted a false-positive rate above 0 and up to 1, such as 0.3")


def region_weights(masks: Maps) -> np.ndarray:
    """1 / size of the connected defect that each defect pixel belongs to, (P,): all masks in turn, row by row."""
    weights = [np.empty(0)]
    for mask in masks:
        labels, _ = ndimage.label(mask, NEIGHBOURS)
        own = labels[labels > 0]
        weights.append(1 / np.bincount(own)[own])
    return np.concatenate(weights)


def _at(fpr: np.ndarray, pro: np.ndarray, limit: float) -> float:
    """PRO where the curve first reaches the limit, on the line between two corners; a rise exactly there is no area."""
    after = int(np.searchsorted(fpr, limit, "left"))
    if fpr[after] == limit:
        return float(pro[after])
    share = (limit - fpr[after - 1]) / (fpr[after] - fpr[after - 1])
    return float(pro[after - 1] + share * (pro[after] - pro[after - 1]))
