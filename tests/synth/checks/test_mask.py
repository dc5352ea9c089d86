import dataclasses

import numpy as np
import pytest

from synth.checks import Accept, Reject, mask
from synth.checks.config import ChecksConfig
from synth.sample import Sample

SIZE = (37, 53)
BLOB = (slice(10, 20), slice(12, 26))
CONFIG = ChecksConfig()


def good_image() -> np.ndarray:
    ramp = np.add.outer(np.arange(SIZE[0]), np.arange(SIZE[1])) + 60
    return np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)


def candidate(change=60, where=BLOB, masked=BLOB, **meta) -> Sample:
    start = good_image()
    image = start.copy()
    image[where] += np.uint8(change)
    truth = np.zeros(SIZE, bool)
    truth[masked] = True
    return Sample(id="a", image=image, mask=truth, meta={"start_image": start, **meta})


def reason(sample: Sample, foreground=None, **thresholds) -> str:
    verdict = mask.judge(sample, ChecksConfig(**thresholds), foreground).verdict
    return verdict.reason if isinstance(verdict, Reject) else "accepted"


def test_a_change_that_fills_its_mask_is_accepted_with_full_scores():
    judged = mask.judge(candidate(mask_score=0.9), CONFIG, lambda image: np.ones(SIZE, bool))
    assert isinstance(judged.verdict, Accept)
    assert judged.scores["area"] == pytest.approx(140 / (37 * 53), abs=1e-6)
    assert judged.scores["on_product"] == 1
    assert judged.scores["agreement"] > 0.99
    assert judged.scores["covered"] == 1
    assert judged.scores["confidence"] == 0.9


@pytest.mark.parametrize(
    ("wanted", "sample"),
    [
        ("blank_mask", candidate(masked=(slice(0, 0), slice(0, 0)))),
        ("tiny_mask", candidate(masked=(slice(10, 12), slice(12, 14)))),
        ("large_mask", candidate(masked=(slice(0, 30), slice(0, 53)))),
        ("invisible", candidate(change=0)),
        ("invisible", candidate(change=4)),
        ("misplaced", candidate(where=(slice(10, 30), slice(12, 26)), masked=(slice(27, 37), slice(12, 26)))),
        ("loose_mask", candidate(where=(slice(10, 17), slice(10, 20)), masked=(slice(5, 35), slice(4, 24)))),
        ("low_confidence", candidate(mask_score=0.3)),
        ("not_finite", candidate(mask_score=float("nan"))),
        ("not_finite", candidate(changed={"inside": [1.0, float("inf")]})),
    ],
)
def test_each_fault_has_its_reason(wanted, sample):
    assert reason(sample) == wanted


def test_a_missing_mask_is_blank():
    assert reason(dataclasses.replace(candidate(), mask=None)) == "blank_mask"


def test_a_defect_beside_the_product_is_rejected():
    product = np.zeros(SIZE, bool)
    product[:, 20:] = True
    assert reason(candidate(), lambda image: product) == "off_product"
    assert reason(candidate(), lambda image: product, min_on_product=0.3) == "accepted"


def test_the_product_is_looked_for_in_the_good_image_not_in_the_defective_one():
    seen = []
    mask.judge(candidate(), CONFIG, lambda image: seen.append(image.copy()) or np.ones(SIZE, bool))
    assert np.array_equal(seen[0], good_image())


def test_generation_noise_around_the_mask_does_not_count_as_change():
    sample = candidate(change=80)
    noisy = sample.image.astype(int) + np.random.default_rng(3).integers(-9, 10, (*SIZE, 3))
    noisy = dataclasses.replace(sample, image=np.clip(noisy, 0, 255).astype(np.uint8))
    assert reason(noisy) == "accepted"
    assert mask.judge(noisy, CONFIG).scores["agreement"] > 0.9


def test_without_a_start_image_or_score_only_the_mask_is_checked():
    sample = dataclasses.replace(candidate(change=0), meta={})
    judged = mask.judge(sample, CONFIG)
    assert isinstance(judged.verdict, Accept)
    assert set(judged.scores) == {"area"}


@pytest.mark.parametrize("flip", [np.fliplr, np.flipud])
def test_scores_do_not_depend_on_left_and_right_or_up_and_down(flip):
    sample = candidate(where=(slice(8, 17), slice(12, 26)))
    turned = Sample(
        id="a",
        image=np.ascontiguousarray(flip(sample.image)),
        mask=np.ascontiguousarray(flip(sample.mask)),
        meta={"start_image": np.ascontiguousarray(flip(good_image()))},
    )
    assert mask.judge(turned, CONFIG).scores == pytest.approx(mask.judge(sample, CONFIG).scores)
