import dataclasses

import numpy as np
import pytest

from synth.checks import Accept, Reject, mask
from synth.checks.config import ChecksConfig
from synth.sample import Cloud, Instance, Origin, Provenance, Sample

SIZE = (37, 53)
BLOB = (slice(10, 20), slice(12, 26))
CONFIG = ChecksConfig()


def good_image() -> np.ndarray:
    ramp = np.add.outer(np.arange(SIZE[0]), np.arange(SIZE[1])) + 60
    return np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)


def candidate(change=60, where=BLOB, masked=BLOB, confidence=None, part=None, parameters=None, failure=None) -> Sample:
    start = good_image()
    image = start.copy()
    image[where] += np.uint8(change)
    truth = np.zeros(SIZE, bool)
    truth[masked] = True
    provenance = Provenance(
        "blobs",
        seed=1,
        start=Origin("good", "sha", image=start, part=part),
        scores={} if confidence is None else {"confidence": confidence},
        instances=() if parameters is None else (Instance("dent", parameters),),
        failure=failure,
    )
    return Sample(id="a", image=image, mask=truth, provenance=provenance)


def reason(sample: Sample, surroundings=None, **thresholds) -> str:
    verdict = mask.judge(sample, ChecksConfig(**thresholds), surroundings).verdict
    return verdict.reason if isinstance(verdict, Reject) else "accepted"


def test_a_change_that_fills_its_mask_is_accepted_with_full_scores():
    judged = mask.judge(candidate(confidence=0.9, part=np.ones(SIZE, bool)), CONFIG)
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
        ("low_confidence", candidate(confidence=0.3)),
        ("not_finite", candidate(confidence=float("nan"))),
        ("not_finite", candidate(parameters={"inside": [1.0, float("inf")]})),
    ],
)
def test_each_fault_has_its_reason(wanted, sample):
    assert reason(sample) == wanted


@pytest.mark.parametrize("where", ["points", "normals"])
def test_a_cloud_with_a_coordinate_that_is_no_number_is_not_finite(where):
    arrays = {name: np.ones((5, 3), np.float32) for name in ("points", "normals")}
    assert reason(dataclasses.replace(candidate(), cloud=Cloud(**arrays))) == "accepted"
    arrays[where][3, 1] = np.nan
    assert reason(dataclasses.replace(candidate(), cloud=Cloud(**arrays))) == "not_finite"


def test_a_missing_mask_is_blank():
    assert reason(dataclasses.replace(candidate(), mask=None)) == "blank_mask"


def test_a_defect_beside_the_product_is_rejected():
    product = np.zeros(SIZE, bool)
    product[:, 22:] = True
    assert reason(candidate(part=product)) == "off_product"
    assert reason(candidate(part=product), min_on_product=0.3) == "accepted"
    product[:, 15:] = True  # the defect begins 3 px beside it: an outline is not surer than that
    assert reason(candidate(part=product)) == "accepted"


class Context:
    """What the checks know of the shots: how badly anything fits, where they lie, pasted ones."""

    def __init__(self, misfit=0.5, shots=(), examples=()):
        self.examples = lambda defect: examples
        self.on_parts = lambda defect: shots
        self.misfit = lambda defect, image, mask: misfit


def test_surroundings_that_fit_no_shot_are_out_of_place():
    assert reason(candidate(), Context(0.9)) == "accepted"
    assert reason(candidate(), Context(1.1)) == "out_of_place"
    assert reason(candidate(), Context(1.1), max_misfit=1.2) == "accepted"
    assert reason(candidate(), Context(1.1), max_misfit=0) == "accepted"
    assert "misfit" not in mask.judge(candidate(), CONFIG, Context(float("nan"))).scores


def test_no_more_of_a_defect_has_to_lie_on_the_product_than_of_the_shots():
    product = np.zeros(SIZE, bool)
    product[:, 22:] = True
    beside, upon = candidate().mask, np.roll(candidate().mask, 15, axis=1)
    assert reason(candidate(part=product), Context(shots=[(product, beside)])) == "accepted"
    assert reason(candidate(part=product), Context(shots=[(product, upon)])) == "off_product"


def test_a_candidate_that_was_never_drawn_says_why():
    nothing = (slice(0, 0), slice(0, 0))
    judged = mask.judge(candidate(masked=nothing, failure="no place was found"), CONFIG)
    assert judged.verdict == Reject("no_place", "no place was found")


def thin_line(grown=0):
    """A dark line of 3 px, and its mask grown by some px."""
    return candidate(where=(slice(15, 18), slice(8, 40)), masked=(slice(15 - grown, 18 + grown), slice(8 - grown, 40)))


def test_a_mask_wider_than_its_defect_is_rejected():
    assert reason(thin_line()) == "accepted"
    assert reason(thin_line(grown=2), min_covered=0) == "wide_mask"
    wide = candidate(masked=(slice(6, 24), slice(8, 30)))
    assert reason(wide) == "wide_mask"
    assert reason(wide, min_tight=0, max_unchanged=1) == "accepted"


def test_masks_may_be_as_wide_as_the_shots_own():
    loose = thin_line(grown=2)
    shots = [(loose.image, loose.provenance.start.image, loose.mask)]
    assert reason(loose, Context(examples=shots), min_covered=0) == "accepted"
    tight = thin_line()
    shots = [(tight.image, tight.provenance.start.image, tight.mask)]
    assert reason(loose, Context(examples=shots), min_covered=0) == "wide_mask"


def test_a_piece_of_the_mask_without_change_is_rejected():
    sample = candidate()
    two = sample.mask.copy()
    two[25:32, 35:42] = True
    assert reason(dataclasses.replace(sample, mask=two)) == "wide_mask"
    assert mask.judge(dataclasses.replace(sample, mask=two), CONFIG).scores["unchanged"] == pytest.approx(49 / 189)
    assert mask.judge(sample, CONFIG).scores["unchanged"] == 0


def planted(fault: str) -> Sample:
    """A defect of 16 x 20 px, the unevenness of a real one in it, with one fault of its mask or image."""
    rng = np.random.default_rng(5)
    start, image = good_image(), good_image()
    blob = (slice(8, 24), slice(6, 26))
    image[blob] += rng.integers(30, 60, (16, 20, 3)).astype(np.uint8)
    truth = np.zeros(SIZE, bool)
    truth[blob] = True
    if fault == "half of it unchanged":
        image[:, 16:] = start[:, 16:]
    elif fault == "half of it not marked":
        truth[:, 16:] = False
    elif fault == "ring only":
        truth[10:22, 8:24] = False
    elif fault == "a second defect, not marked":
        image[8:24, 30:50] = image[blob]
    elif fault == "island of good surface":
        truth[12:18, 26:34] = True
    elif fault == "shifted":
        truth = np.roll(truth, 16, axis=1)
    provenance = Provenance("blobs", seed=1, start=Origin("good", "sha", image=start))
    return Sample(id="a", image=image, mask=truth, provenance=provenance)


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        ("none", "accepted"),
        ("half of it unchanged", "wide_mask"),
        ("half of it not marked", "misplaced"),
        ("ring only", "misplaced"),
        ("a second defect, not marked", "misplaced"),
        ("island of good surface", "wide_mask"),
        ("shifted", "misplaced"),
    ],
)
@pytest.mark.parametrize("faint", [False, True])
def test_planted_faults_are_rejected_also_of_faint_defects(fault, wanted, faint):
    sample = planted(fault)
    start = sample.provenance.start.image
    if faint:
        change = sample.image.astype(float) - start
        sample = dataclasses.replace(sample, image=(start + np.round(0.25 * change)).astype(np.uint8))
    assert reason(sample) == wanted


def test_a_mask_that_only_the_core_of_the_shots_has_may_be_as_narrow_as_theirs():
    sample = candidate()
    core = np.zeros(SIZE, bool)
    core[14:16, 12:26] = True
    narrow = dataclasses.replace(sample, mask=core)
    shots = [(narrow.image, narrow.provenance.start.image, core)]
    assert reason(narrow) == "misplaced"
    assert reason(narrow, Context(examples=shots)) == "accepted"


def test_the_images_border_is_no_rim_of_a_mask():
    sample = candidate(where=(slice(0, 12), slice(0, 20)), masked=(slice(0, 12), slice(0, 20)))
    assert mask.judge(sample, CONFIG).scores["tight"] == 1


def test_generation_noise_around_the_mask_does_not_count_as_change():
    sample = candidate(change=80)
    noisy = sample.image.astype(int) + np.random.default_rng(3).integers(-9, 10, (*SIZE, 3))
    noisy = dataclasses.replace(sample, image=np.clip(noisy, 0, 255).astype(np.uint8))
    assert reason(noisy) == "accepted"
    assert mask.judge(noisy, CONFIG).scores["agreement"] > 0.9


def test_without_a_start_image_or_score_only_the_mask_is_checked():
    sample = dataclasses.replace(candidate(change=0), provenance=None)
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
        provenance=Provenance("blobs", 1, start=Origin("g", "s", image=np.ascontiguousarray(flip(good_image())))),
    )
    assert mask.judge(turned, CONFIG).scores == pytest.approx(mask.judge(sample, CONFIG).scores)
