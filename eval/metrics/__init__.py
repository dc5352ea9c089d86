"""Metrics under their standard names. Scores: high = anomalous; masks and labels: True = defect.

Every curve is exact: it has a point at each distinct score and no list of thresholds. `ScoreHistogram` gives the same
figures of any number of images in fixed memory, to about 1e-3. Where only one class is present a metric is undefined
and NaN, with a warning.
"""

from __future__ import annotations

from eval.metrics.bootstrap import Interval, Paired, bootstrap, paired_gain, pooled_difference, pooled_gain
from eval.metrics.histogram import ScoreHistogram, logit
from eval.metrics.overlap import best_dice, best_iou, dice, iou
from eval.metrics.ranking import auroc, average_precision, f1_max
from eval.metrics.region_overlap import area_under, aupro, pro_curve
from eval.metrics.size import SIZE_BINS, size_bin

__all__ = [
    "SIZE_BINS",
    "Interval",
    "Paired",
    "ScoreHistogram",
    "area_under",
    "aupro",
    "auroc",
    "average_precision",
    "best_dice",
    "best_iou",
    "bootstrap",
    "dice",
    "f1_max",
    "iou",
    "logit",
    "paired_gain",
    "pooled_difference",
    "pooled_gain",
    "pro_curve",
    "size_bin",
]
