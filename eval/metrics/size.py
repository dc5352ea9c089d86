"""Defect size as a share of the image, in four bins: a gain on large defects says nothing about small ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics.overlap import best_iou, iou
from synth.errors import EvalError

SIZE_BINS: dict[str, tuple[float, float]] = {
    "tiny": (0.0, 0.002),
    "small": (0.002, 0.01),
    "medium": (0.01, 0.05),
    "large": (0.05, 1.0),
}
"""Name -> (above, up to), the share of the image's pixels that are defect."""


def size_bin(mask: np.ndarray) -> str:
    """The bin of a bool mask (H, W), by all of its defect pixels. EvalError for an empty mask."""
    share = float(mask.mean())
    for name, (above, up_to) in SIZE_BINS.items():
        if above < share <= up_to:
            return name
    raise EvalError("the mask is empty: a good image has no defect size")


@dataclass(frozen=True, slots=True)
class Overlap:
    """Means over defective images: IoU and Dice at one threshold, and at each image's best one (an oracle's)."""

    images: int
    iou: float
    dice: float
    best_iou: float
    best_dice: float


def overlap_by_size(
    maps: Sequence[np.ndarray], masks: Sequence[np.ndarray], threshold: float
) -> dict[str, Overlap | None]:
    """Overlap of `score >= threshold` with the mask of each defective image, for "all" and for each size bin; None
    where it has no image. maps: n arrays (H, W); masks: n bool arrays (H, W); good images are passed over."""
    rows: dict[str, list[list[float]]] = {"all": [], **{name: [] for name in SIZE_BINS}}
    for scores, mask in zip(maps, masks, strict=True):
        if mask.any():
            found, best = iou(scores >= threshold, mask), best_iou(scores, mask)[0]
            row = [found, 2 * found / (1 + found), best, 2 * best / (1 + best)]
            rows["all"].append(row)
            rows[size_bin(mask)].append(row)
    return {name: Overlap(len(own), *np.mean(own, 0).tolist()) if own else None for name, own in rows.items()}
