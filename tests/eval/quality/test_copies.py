"""The copy audit on textured plates with uneven marks: what was planted is found, what is new is not accused."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from eval.quality.alignment import frame_of, likest
from eval.quality.copies import audit_copies, look_at, near_duplicates
from synth.baselines.config import CopyPasteConfig
from synth.baselines.copy_paste import CopyPasteGenerator
from synth.errors import EvalError
from synth.generators import Request
from synth.sample import Sample

SIZE = (90, 120)


def plate(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse, fine = (ndimage.gaussian_filter(rng.normal(size=SIZE), sigma) * sigma for sigma in (9, 1.5))
    return np.clip(140 + 120 * coarse + 25 * fine, 0, 255).astype(np.uint8)[..., None].repeat(3, -1)


def marked(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A plate with one dark mark whose outline and inside are like no other's."""
    rng = np.random.default_rng(10_000 + seed)
    image = plate(seed)
    field = ndimage.gaussian_filter(rng.normal(size=SIZE), 2.5)
    rows, columns = np.indices(SIZE)
    row, column = rng.integers(25, 65), rng.integers(25, 95)
    near = np.exp(-((rows - row) ** 2 / rng.uniform(30, 200) + (columns - column) ** 2 / rng.uniform(30, 200)))
    score = near + 4 * field * near
    mask = score > 0.45
    labels, _ = ndimage.label(mask)
    mask = labels == np.bincount(labels[mask]).argmax()
    depth = 60 + 800 * ndimage.gaussian_filter(rng.normal(size=SIZE), 2)
    image = np.clip(image - (mask * depth)[..., None], 0, 255).astype(np.uint8)
    return image, mask


def saved_again(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def planted(shown, how: str):
    image, mask = shown
    if how == "flipped":
        return image[:, ::-1], mask[:, ::-1]
    if how == "turned":
        return np.rot90(image), np.rot90(mask)
    if how == "shifted":
        return np.roll(image, (3, 7), (0, 1)), np.roll(mask, (3, 7), (0, 1))
    if how == "re-compressed":
        return saved_again(image, 60), mask
    return image, mask


SHOTS = [marked(seed) for seed in range(24)]
LOOKS = look_at(SHOTS)
NEW = [marked(seed) for seed in range(100, 295)]
WAYS = ("exact", "flipped", "shifted", "re-compressed", "turned")


def test_five_in_a_hundred_planted_copies_are_found_and_hardly_a_new_one_is_accused():
    copies = [planted(SHOTS[2 * n], WAYS[n % 5]) for n in range(10)]
    audit = audit_copies(look_at([*NEW[:190], *copies]), LOOKS)
    assert audit.flags[190:].mean() >= 0.95
    assert audit.flags[:190].mean() <= 0.01
    assert audit.whole_nearest[190:].tolist() == [2 * n for n in range(10)]
    rate, low, high = audit.rate
    assert low < rate < high < 0.12
    assert rate >= 0.05


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_copy_is_found(way):
    audit = audit_copies(look_at(planted(shot, way) for shot in SHOTS), LOOKS)
    assert audit.flags.mean() >= 0.95
    assert (audit.whole_nearest == np.arange(len(SHOTS))).mean() >= 0.95


def test_a_shot_saved_twice_does_not_blind_the_audit():
    saved = saved_again(SHOTS[0][0], 90), SHOTS[0][1]
    twice = [*SHOTS[:12], saved, planted(SHOTS[1], "flipped")]
    audit = audit_copies(look_at([planted(SHOTS[3], "shifted"), NEW[0]]), look_at(twice))
    once = audit_copies(look_at([planted(SHOTS[3], "shifted"), NEW[0]]), look_at(SHOTS[:12]))
    assert audit.flags.tolist() == once.flags.tolist() == [True, False]
    assert audit.defect_limit > 0.5 * once.defect_limit


def test_a_generator_that_pastes_its_training_defects_scores_worst():
    generator = CopyPasteGenerator(CopyPasteConfig())
    shots = [Sample(f"s{n:02d}", *shot, product="plate", defect="mark") for n, shot in enumerate(SHOTS)]
    generator.fit(shots, [Sample(f"g{seed}", plate(seed), product="plate") for seed in range(400, 410)])
    drawn = generator.draw([Request("plate", "mark", index) for index in range(40)])
    pasted = [(sample.image, sample.mask) for sample in drawn if sample.mask.any()]
    assert len(pasted) > 30
    fresh, copied = (audit_copies(look_at(images), LOOKS) for images in (NEW[:40], pasted))
    assert np.median(copied.defect) < np.median(fresh.defect) / 2
    assert copied.rate[0] > 0.5 > 0.05 >= fresh.rate[0]
    assert not (copied.whole < copied.whole_limit).any()


def test_a_defect_is_recognised_turned_enlarged_and_paler():
    image, mask = SHOTS[3]
    size = (150, 113)
    pale = (0.6 * image + 60).astype(np.uint8)
    other = np.array(Image.fromarray(pale).resize(size)), np.array(Image.fromarray(mask).resize(size, 0))
    one, same, new = (frame_of(*shown) for shown in (SHOTS[3], other, SHOTS[4]))
    assert likest(one, [one])[1] > 0.999
    assert likest(one, [same])[1] > 0.95 > 0.6 > likest(one, [new])[1]


def laid(shown, ground: np.ndarray, degrees: float, scale: float, mirrored: bool, light: float, feather: float):
    """A shot's defect on another plate: turned by any angle, scaled, lit otherwise, with a soft edge."""
    image, mask = shown
    if mirrored:
        image, mask = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
    rows, columns = (float(hit.mean()) for hit in np.nonzero(mask))
    turn = cv2.getRotationMatrix2D((columns, rows), degrees, scale)
    turn[:, 2] += np.array([SIZE[1] / 2 - columns, SIZE[0] / 2 - rows])
    there = cv2.warpAffine(image.astype(np.float32), turn, SIZE[::-1])
    cover = cv2.warpAffine(mask.astype(np.float32), turn, SIZE[::-1])
    alpha = cv2.GaussianBlur((cover >= 0.4).astype(np.float32), (0, 0), feather)[..., None]
    placed = ground + alpha * (light * there + 10 - ground)
    return np.rint(np.clip(placed, 0, 255)).astype(np.uint8), cover >= 0.5


def test_defects_turned_by_any_angle_scaled_lit_and_feathered_are_found_with_their_shot():
    rng = np.random.default_rng(7)
    copies = [
        laid(shot, plate(500 + n), rng.uniform(0, 360), rng.uniform(0.85, 1.2), n % 2 == 0, rng.uniform(0.8, 1.2), 1.0)
        for n, shot in enumerate(SHOTS)
    ]
    audit = audit_copies(look_at(copies), LOOKS)
    found = audit.defect < audit.defect_limit
    assert found.mean() >= 0.95
    assert (audit.defect_nearest == np.arange(len(SHOTS)))[found].mean() >= 0.95


def test_near_duplicates_are_reported_in_pairs():
    images = [NEW[0], NEW[1], planted(NEW[0], "flipped"), NEW[2]]
    assert near_duplicates(look_at(images), 0.03) == [(0, 2)]


def test_what_cannot_be_audited_is_an_error():
    for few in (SHOTS[:3], [*SHOTS[:3], SHOTS[0]]):
        with pytest.raises(EvalError, match="3 different shots; the audit needs"):
            audit_copies(look_at(NEW[:2]), look_at(few))
    with pytest.raises(EvalError, match="mask is empty"):
        look_at([(NEW[0][0], np.zeros(SIZE, bool))])
