"""Metrics under their standard names. Scores: high = anomalous; masks and labels: True = defect.

Every curve is exact: it has a point at each distinct score and no list of thresholds. `ScoreHistogram` gives the same
figures of any number of images in fixed memory, to about 1e-3; `published_aupro` alone approximates, as published codes
do. Where only one class is present a metric is undefined and NaN, with a warning.
"""

from __future__ import annotations

from eval.metrics.bootstrap import Interval, Paired, bootstrap, paired_gain, pooled_difference, pooled_gain
from eval.metrics.histogram import ScoreHistogram, logit
from eval.metrics.instances import instance_average_precision
from eval.metrics.overlap import best_dice, best_iou, dice, iou
from eval.metrics.published import published_aupro
from eval.metrics.ranking import auroc, average_precision, f1_max
from eval.metrics.ranking_bootstrap import image_intervals, mean_interval, pixel_intervals
from eval.metrics.region_overlap import LIMITS, area_under, aupro, aupros, pro_curve
from eval.metrics.size import SIZE_BINS, Overlap, overlap_by_size, size_bin
from eval.metrics.thresholds import Decisions, best_f1_threshold, decide, threshold_of_good

__all__ = [
    "LIMITS",
    "SIZE_BINS",
    "Decisions",
    "Interval",
    "Overlap",
    "Paired",
    "ScoreHistogram",
    "area_under",
    "aupro",
    "aupros",
    "auroc",
    "average_precision",
    "best_dice",
    "best_f1_threshold",
    "best_iou",
    "bootstrap",
    "decide",
    "dice",
    "f1_max",
    "image_intervals",
    "instance_average_precision",
    "iou",
    "logit",
    "mean_interval",
    "overlap_by_size",
    "paired_gain",
    "pixel_intervals",
    "pooled_difference",
    "pooled_gain",
    "pro_curve",
    "published_aupro",
    "size_bin",
    "threshold_of_good",
]
