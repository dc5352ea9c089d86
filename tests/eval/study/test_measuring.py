"""Test images are read once and let go, however many there are."""

import tracemalloc
import weakref

import numpy as np
import pytest

from eval.metrics import aupro, auroc, average_precision, best_iou, f1_max, iou
from eval.study.measuring import AT_ONCE, measure
from synth.sample import Sample

SIZE = (60, 90)


class Bright:
    """Finds the more of a defect the brighter a pixel is."""

    def __init__(self, gain: float) -> None:
        self._gain = gain

    def predict(self, samples):
        return [_probability(sample.image, self._gain) for sample in samples]


def _probability(image: np.ndarray, gain: float) -> np.ndarray:
    return (1 / (1 + np.exp(-gain * (image.mean(-1) - 150) / 20))).astype(np.float32)


def part(number: int) -> Sample:
    """Every third one is good, one in ten has a blank mask."""
    rng = np.random.default_rng(number)
    image = rng.integers(60, 180, (*SIZE, 3)).astype(np.uint8)
    mask = np.zeros(SIZE, bool)
    if number % 3:
        top, left = rng.integers(0, 40), rng.integers(0, 60)
        mask[top : top + 9, left : left + 14] = number % 10 > 0
        image[mask] += 30
    return Sample(f"p{number}", image, mask, product="lid", defect="pit" if number % 3 else None)


def test_figures_are_those_of_all_images_at_once():
    parts = [part(number) for number in range(30)]
    seen, tallies = measure([(Bright(1.0), 0.5), (Bright(3.0), 0.7)], iter(parts))
    shown = [p for p in parts if p.defect is None or p.mask.any()]
    assert seen.blank == [p.id for p in parts if p not in shown] == ["p10", "p20"]
    assert (len(seen.defects), len(seen.sizes), seen.good_images) == (18, 18, 10)
    for tally, gain, threshold in zip(tallies, (1.0, 3.0), (0.5, 0.7), strict=True):
        maps, masks = [_probability(p.image, gain) for p in shown], [p.mask for p in shown]
        figures, marked = tally.figures(), [p.defect is not None for p in shown]
        pairs = [pair for pair, defect in zip(zip(maps, masks, strict=True), marked, strict=True) if defect]
        assert figures["iou"] == [iou(m >= threshold, mask) for m, mask in pairs]
        assert figures["best_iou"] == [best_iou(m, mask)[0] for m, mask in pairs]
        good_maps = [m for m, defect in zip(maps, marked, strict=True) if not defect]
        assert figures["false_area"] == [(m >= threshold).mean() for m in good_maps]
        assert figures["pixel_auroc"] == pytest.approx(auroc(maps, masks), abs=1e-3)
        assert figures["pixel_ap"] == pytest.approx(average_precision(maps, masks), abs=1e-3)
        assert figures["pixel_f1_max"] == pytest.approx(f1_max(maps, masks), abs=1e-3)
        assert figures["aupro_30"] == pytest.approx(aupro(maps, masks, 0.3), abs=1e-3)
        assert figures["image_auroc"] == pytest.approx(auroc([m.max() for m in maps], marked))


def peak(images: int) -> tuple[int, int]:
    """Bytes of memory at most, and images alive at most, while so many are measured."""
    kept, alive = [], []

    def read():
        for number in range(images):
            sample = part(number)
            kept.append(weakref.ref(sample.image))
            alive.append(sum(image() is not None for image in kept))
            yield sample
            del sample

    tracemalloc.start()
    try:
        measure([(Bright(1.0), 0.5)], read())
        return tracemalloc.get_traced_memory()[1], max(alive)
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_test_images():
    (few, alive_few), (many, alive_many) = peak(20), peak(200)
    assert alive_few <= alive_many <= 2 * AT_ONCE + 1
    assert many < 1.1 * few
