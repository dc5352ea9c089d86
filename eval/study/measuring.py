"""Trained segmenters measured on test images that are read once, a few at a time, and then let go.

Of each image and segmenter a few numbers and the counts of a histogram are kept, so that any number of test images fits
in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

import numpy as np

from eval.metrics import ScoreHistogram, auroc, average_precision, best_iou, iou, logit, size_bin
from eval.metrics.histogram import LOGITS
from synth.sample import Sample

AT_ONCE = 8
"""Test images in memory at once."""


class Marks(Protocol):
    """What a segmenter is asked for: the probability of defect, float32 (H, W) a sample."""

    def predict(self, samples: Sequence[Sample]) -> list[np.ndarray]: ...


@dataclass
class MeasuredImages:
    """The test images in their order: type and size bin of each defective one, how many good ones, and the ids of
    those that are left out since their masks are blank."""

    defects: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    good_images: int = 0
    blank: list[str] = field(default_factory=list)

    def add(self, sample: Sample) -> bool:
        """Note the sample; returns whether it can be measured on."""
        if sample.defect is None:
            self.good_images += 1
        elif sample.mask is None or not sample.mask.any():
            self.blank.append(sample.id)
            return False
        else:
            self.defects.append(sample.defect)
            self.sizes.append(size_bin(sample.mask))
        return True


class Tally:
    """What one trained segmenter does, image by image: `iou` at the threshold chosen on validation and `best_iou` at
    each image's best one for defective images, `false_area` (share of the image that is marked) for good ones, the
    highest probability of each for the figures over images, and the pixels' histogram."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.iou: list[float] = []
        self.best_iou: list[float] = []
        self.false_area: list[float] = []
        self.highest: dict[bool, list[float]] = {True: [], False: []}
        self.pixels = ScoreHistogram(*LOGITS)

    def add(self, found: np.ndarray, mask: np.ndarray) -> None:
        """Count the probabilities (H, W) of an image with the mask bool (H, W); a good image has none set."""
        marked = found >= self.threshold
        defective = bool(mask.any())
        if defective:
            self.iou.append(iou(marked, mask))
            self.best_iou.append(best_iou(found, mask)[0])
        else:
            self.false_area.append(float(marked.mean()))
        self.highest[defective].append(float(found.max()))
        self.pixels.add(logit(found), mask)

    def figures(self) -> dict[str, Any]:
        """Lists with one value an image, and figures over all pixels and, where there are good images, over images."""
        pixels = self.pixels.counts()
        figures: dict[str, Any] = {
            "iou": self.iou,
            "best_iou": self.best_iou,
            "false_area": self.false_area,
            "pixel_auroc": pixels.auroc(),
            "pixel_ap": pixels.average_precision(),
            "pixel_f1_max": pixels.f1_max(),
            "aupro_30": self.pixels.aupro(0.3),
        }
        if self.highest[False]:
            scores = [*self.highest[True], *self.highest[False]]
            truth = [True] * len(self.highest[True]) + [False] * len(self.highest[False])
            figures |= {"image_auroc": auroc(scores, truth), "image_ap": average_precision(scores, truth)}
        return figures


def measure(segmenters: Sequence[tuple[Marks, float]], images: Iterable[Sample]) -> tuple[MeasuredImages, list[Tally]]:
    """What each segmenter, given with its threshold, does on the images, which carry their pixels and may be read while
    they are asked for; AT_ONCE of them are in memory at a time."""
    seen, tallies = MeasuredImages(), [Tally(threshold) for _, threshold in segmenters]
    for batch in _batches(images):
        shown = [sample for sample in batch if seen.add(sample)]
        if not shown:
            continue
        for (segmenter, _), tally in zip(segmenters, tallies, strict=True):
            for found, sample in zip(segmenter.predict(shown), shown, strict=True):
                tally.add(found, np.zeros(found.shape, bool) if sample.mask is None else sample.mask)
    return seen, tallies


def _batches(images: Iterable[Sample]) -> Iterator[list[Sample]]:
    rest = iter(images)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch
