"""Against the good image it was drawn onto: did a generated image keep its background, and is its mask where it
changed? Both by the change map of `synth.checks.change`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from eval.metrics.bootstrap import Interval, bootstrap
from eval.metrics.overlap import iou
from synth.checks.change import change_map
from synth.checks.mask import visible_above, widen
from synth.sample import Sample

_FLOOR = 8.0
"""Grey levels below which a change does not count as visible; the default of `checks.min_contrast`."""


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Means over samples: |change| in grey levels and share of bit-equal pixels outside the widened mask, and IoU of
    the mask with what visibly changed."""

    background_change: Interval
    background_untouched: Interval
    alignment: Interval


def faithfulness(samples: Iterable[Sample], good_image: Callable[[str], np.ndarray | None]) -> Faithfulness | None:
    """Compare samples with the good images that they began from; `good_image` gives the one of a content hash, uint8
    (H, W, 3), or None. One sample and one good image are in memory at a time.

    Samples whose start is not among the good images (repeated shots) are left out; None where fewer than two are
    left."""
    measured = []
    for sample in samples:
        made = sample.provenance
        start = None if made is None or made.start is None else good_image(made.start.sha256)
        if start is not None and sample.image is not None and sample.mask is not None:
            measured.append(_one(sample.image, sample.mask, start))
    if len(measured) < 2:
        return None
    return Faithfulness(*(bootstrap(np.array(column)) for column in zip(*measured, strict=True)))


def _one(image: np.ndarray, mask: np.ndarray, start: np.ndarray) -> tuple[float, float, float]:
    outside = ~widen(mask)
    difference = np.abs(image.astype(np.int16) - start).max(-1)
    change = change_map(image, start)
    aligned = iou(change > visible_above(change, mask, _FLOOR), mask)
    if not outside.any():
        return 0.0, 1.0, aligned
    return float(difference[outside].mean()), float((difference[outside] == 0).mean()), aligned
