"""Overlap of a predicted and a true mask: IoU and Dice at a given threshold, and at the best one (an oracle's figure).

Both are 1 where prediction and truth are empty alike, and 0 where one of them is.
"""

from __future__ import annotations

import numpy as np

from eval.metrics.pooled import pool
from eval.metrics.ranking import Counts, count
from synth.errors import EvalError


def iou(predicted: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union of two bool masks of one shape, in [0, 1]."""
    both, either = _both_either(predicted, mask)
    return both / either if either else 1.0


def dice(predicted: np.ndarray, mask: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|) of two bool masks of one shape, in [0, 1]; 2 IoU / (1 + IoU)."""
    both, either = _both_either(predicted, mask)
    return 2 * both / (both + either) if either else 1.0


def best_iou(scores: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """(IoU, threshold) of the best `scores >= threshold` against the bool mask; the segmentation figures of the
    published few-shot generators are its mean over images. EvalError for an empty mask."""
    counts = _counts(scores, mask)
    values = counts.tp / (counts.positives + counts.fp)
    best = int(values.argmax())
    return float(values[best]), float(counts.thresholds[best])


def best_dice(scores: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """(Dice, threshold), like `best_iou`; the threshold is the same one."""
    value, threshold = best_iou(scores, mask)
    return 2 * value / (1 + value), threshold


def _both_either(predicted: np.ndarray, mask: np.ndarray) -> tuple[int, int]:
    for name, array in (("prediction", predicted), ("mask", mask)):
        if array.dtype != np.bool_:
            raise EvalError(f"the {name} is {array.dtype}, wanted bool: compare with a threshold first")
    if predicted.shape != mask.shape:
        raise EvalError(
            f"the prediction is {predicted.shape}, the mask {mask.shape}; resize the prediction to the mask"
        )
    return int((predicted & mask).sum()), int((predicted | mask).sum())


def _counts(scores: np.ndarray, mask: np.ndarray) -> Counts:
    counts = count(*pool(scores, mask))
    if not counts.positives:
        raise EvalError("the mask is empty: the best threshold of a good image is any above its scores")
    return counts
