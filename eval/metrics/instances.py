"""IAP, the instance average precision (DeSTSeg, Zhang et al. 2023): are defects found as wholes?

A defect (8-neighbours) is found where more than half of its pixels are marked; precision is that of pixels, at the
threshold where one defect after the other is found.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from eval.metrics.pooled import parts, pool
from eval.metrics.ranking import count, undefined
from eval.metrics.region_overlap import NEIGHBOURS, Maps


def instance_average_precision(maps: Maps, masks: Maps) -> float:
    """Mean over all defects i of max over t <= t_i of the precision of the pixels with `score >= t`, t among the
    thresholds at which a defect is found; t_i is the score of pixel floor(n / 2) of its n, from the highest and 0. In
    [0, 1]. NaN, with a warning, where there is no defect."""
    counts = count(*pool(maps, masks))
    if not counts.positives:
        return undefined("IAP", "a defect")
    found = np.concatenate([_found_at(*pair) for pair in zip(parts(maps), parts(masks), strict=True)])
    found = np.sort(found)[::-1]
    place = np.searchsorted(-counts.thresholds, -found)
    precision = counts.tp[place] / (counts.tp[place] + counts.fp[place])
    return float(np.maximum.accumulate(precision[::-1]).mean())


def _found_at(scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The highest threshold at which each defect is found, (K,)."""
    if mask.ndim > 2:
        return np.concatenate([_found_at(*pair) for pair in zip(scores, mask, strict=True)])
    labels, _ = ndimage.label(mask, NEIGHBOURS)
    boxes = enumerate(ndimage.find_objects(labels), 1)
    sets = (np.sort(scores[box][labels[box] == region])[::-1] for region, box in boxes)
    return np.array([own[own.size // 2] for own in sets], float)
