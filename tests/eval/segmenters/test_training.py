import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from eval import segmenters
from eval.metrics import iou
from eval.segmenters.feed import Feed, Pool
from eval.segmenters.resizing import resize
from eval.segmenters.segmenter import Segmenter
from eval.segmenters.training import best_threshold, rate
from synth.errors import EvalError
from synth.sample import Sample
from synth.training.trackers import tracking

TINY = {"width": 0.25, "resolution": 32, "batch": 4, "validate_every": 4}


def sample(seed: int, defect: str | None = "pit", size: tuple[int, int] = (40, 56)) -> Sample:
    """A smooth plate, and on it a dark square."""
    rng = np.random.default_rng(seed)
    grain = ndimage.gaussian_filter(rng.normal(size=size), 2)
    image = (150 + 60 * grain[..., None]).clip(0, 255).astype(np.uint8).repeat(3, -1)
    mask = np.zeros(size, bool)
    if defect is not None:
        top, left = rng.integers(0, size[0] - 16), rng.integers(0, size[1] - 16)
        mask[top : top + 14, left : left + 14] = True
        image[mask] //= 3
    return Sample(f"p{seed}", image, mask, product="plate", defect=defect)


class Killed(Exception):
    """Ends a training without a word, as a kill does; one that is asked to stop saves first."""


TRAIN = [sample(seed, "pit" if seed % 3 else None) for seed in range(18)]
VALIDATION = [sample(100), sample(101, "dent"), sample(102, None)]


def test_a_segmenter_learns_to_mark_dark_squares(tmp_path):
    segmenter = segmenters.create("lfd", **{**TINY, "width": 0.5, "steps": 60, "validate_every": 20})
    trained = segmenter.fit(TRAIN, VALIDATION)
    assert trained.validation_iou > 0.6
    test = [sample(seed) for seed in range(200, 206)]
    maps = segmenter.predict(test)
    assert [m.shape for m in maps] == [(40, 56)] * 6
    assert np.mean([iou(m >= trained.threshold, s.mask) for m, s in zip(maps, test, strict=True)]) > 0.5
    assert 0 <= trained.data_wait < 1
    assert trained.cores > 0
    segmenter.save(tmp_path)
    again = Segmenter.load(tmp_path)
    assert again.trained == trained
    assert np.array_equal(again.predict(test)[3], maps[3])


def test_weights_are_chosen_when_the_rate_has_come_down():
    for seed in range(3):
        segmenter = segmenters.create("lfd", **{**TINY, "validate_every": 1, "steps": 12, "seed": seed})
        assert segmenter.fit(TRAIN, VALIDATION).step >= 9


@pytest.mark.parametrize("stop_at", [5, 8])
def test_a_killed_training_ends_like_an_uninterrupted_one(tmp_path, stop_at):
    def killed(stage, done, total):
        if done == stop_at:
            raise Killed

    whole = segmenters.create("lfd", **TINY, steps=10)
    whole.fit(TRAIN, VALIDATION)
    with pytest.raises(Killed):
        segmenters.create("lfd", **TINY, steps=10).fit(TRAIN, VALIDATION, tmp_path, killed)
    seen = []
    resumed = segmenters.create("lfd", **TINY, steps=10)
    resumed.fit(TRAIN, VALIDATION, tmp_path, lambda stage, done, total: seen.append(done))
    assert seen[0] == 4 * (stop_at // 4) + 1
    assert resumed.trained.step == whole.trained.step
    assert resumed.trained.validation_iou == pytest.approx(whole.trained.validation_iou)
    for one, other in zip(resumed.predict(TRAIN[:2]), whole.predict(TRAIN[:2]), strict=True):
        assert np.allclose(one, other, atol=1e-6)


def test_a_training_that_is_asked_to_stop_does_no_step_twice_and_losses_are_told_without_changing_it(tmp_path):
    def stopped(_stage, done, _total):
        if done == 7:
            raise KeyboardInterrupt

    def fit(*progress):
        made = segmenters.create("lfd", **TINY, steps=10)
        made.fit(TRAIN, VALIDATION, tmp_path / "lfd" / "real" / "0", *progress)
        return made.weights()

    pytest.importorskip("tensorboard")
    whole = segmenters.create("lfd", **TINY, steps=10)
    whole.fit(TRAIN, VALIDATION)
    seen = []
    with tracking(["tensorboard"], tmp_path / "run-tracker"):
        with pytest.raises(KeyboardInterrupt):
            fit(stopped)
        resumed = fit(lambda _stage, done, _total: seen.append(done))
    assert seen == [8, 9, 10]
    assert all(torch.equal(value, resumed[name]) for name, value in whole.weights().items())
    written = b"".join(path.read_bytes() for path in (tmp_path / "run-tracker/lfd/real/0").glob("events*"))
    assert b"training/loss" in written
    assert b"training/validation_iou" in written


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A training of ten steps that was killed after nine, with checkpoints at four and eight; and a whole one."""

    def killed(_stage, done, _total):
        if done == 9:
            raise Killed

    folder = tmp_path_factory.mktemp("interrupted")
    with pytest.raises(Killed):
        segmenters.create("lfd", **TINY, steps=10).fit(TRAIN, VALIDATION, folder, killed)
    whole = segmenters.create("lfd", **TINY, steps=10)
    whole.fit(TRAIN, VALIDATION)
    return folder, whole


@pytest.mark.parametrize("damaged", [(), (1,), (0,), (0, 1)])
def test_damaged_checkpoints_are_passed_over_and_the_weights_are_the_same_bits(damaged, interrupted, tmp_path):
    folder = shutil.copytree(interrupted[0], tmp_path / "copy")
    kept = sorted((folder / "checkpoints").iterdir())
    assert [path.name[-11:] for path in kept] == ["safetensors"] * 2
    for index in damaged:
        content = bytearray(kept[index].read_bytes())
        content[len(content) // 2] ^= 1
        kept[index].write_bytes(content)
    seen = []
    resumed = segmenters.create("lfd", **TINY, steps=10)
    resumed.fit(TRAIN, VALIDATION, folder, lambda _stage, done, _total: seen.append(done))
    assert seen[0] == {(): 9, (0,): 9, (1,): 5, (0, 1): 1}[damaged]
    wanted = interrupted[1].weights()
    assert all(torch.equal(value, wanted[name]) for name, value in resumed.weights().items())


@pytest.mark.parametrize("change", ["images", "validation", "settings"])
def test_checkpoints_of_another_training_are_refused(change, interrupted):
    samples, validation, more = TRAIN, VALIDATION, {}
    if change == "images":
        samples = [replace(TRAIN[0], image=255 - TRAIN[0].image), *TRAIN[1:]]
    elif change == "validation":
        validation = VALIDATION[:1]
    else:
        more = {"loss": "ohem"}
    with pytest.raises(EvalError, match=r"training-000008.*other images or settings"):
        segmenters.create("lfd", **TINY, **more, steps=10).fit(samples, validation, interrupted[0])


def test_a_saved_segmenter_leaves_no_checkpoints_and_a_damaged_one_is_refused(tmp_path):
    segmenter = segmenters.create("lfd", **TINY, steps=4)
    segmenter.fit(TRAIN, VALIDATION, tmp_path)
    segmenter.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["segmenter.json", "segmenter.safetensors"]
    path = tmp_path / "segmenter.safetensors"
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 9):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(EvalError, match=r"segmenter\.safetensors is missing or damaged; delete the folder"):
            Segmenter.load(tmp_path)


def test_another_seed_gives_other_weights_and_the_same_seed_the_same():
    maps = []
    for seed in (1, 1, 2):
        segmenter = segmenters.create("lfd", **TINY, steps=3, seed=seed)
        segmenter.fit(TRAIN, VALIDATION)
        maps.append(segmenter.predict(TRAIN[:1])[0])
    assert np.array_equal(maps[0], maps[1])
    assert not np.allclose(maps[0], maps[2])


def feed(samples: list[Sample], batch: int, seed: int = 5, **params) -> Feed:
    return Feed(Pool(samples, 32), segmenters.configure("lfd", batch=batch, seed=seed, **params))


def test_a_batch_depends_on_its_number_alone():
    number = feed(TRAIN, 6).batch(7)
    assert all(np.array_equal(a, b) for a, b in zip(number, list(feed(TRAIN, 6).batches(5, 9))[2], strict=True))
    assert not np.array_equal(number[0], feed(TRAIN, 6, seed=6).batch(7)[0])


def rows(samples: list[Sample], batches: int, size: int) -> list[list[str]]:
    """Names of the samples that the first batches hold."""
    injection = feed(samples, size)._injection
    return [[samples[row].id for row in injection.rows(number)] for number in range(batches)]


def test_half_of_a_batch_is_defective_and_every_image_comes_once_a_round():
    first = rows(TRAIN, 12, 4)
    good = {sample.id for sample in TRAIN if sample.defect is None}
    assert all(sum(name in good for name in batch) == 2 for batch in first)
    seen = [name for batch in first[:6] for name in batch if name not in good]
    assert sorted(seen) == sorted({sample.id for sample in TRAIN} - good)
    seen = [name for batch in first[:3] for name in batch if name in good]
    again = [name for batch in first[3:6] for name in batch if name in good]
    assert set(seen) == set(again) == good
    assert seen != again


def test_augmentation_moves_image_and_mask_together():
    made = feed([sample(1)], 8, seed=0)
    for number in range(4):
        images, masks = made.batch(number)
        for image, mask in zip(images, masks, strict=True):
            if mask.any() and not mask.all():
                assert image[mask].mean() < image[~mask].mean() - 40


def test_resizing_keeps_a_defect_of_one_pixel():
    tiny = sample(3, None, (200, 300))
    mask = tiny.mask.copy()
    mask[90, 117] = True
    _, small = resize(Sample("a", tiny.image, mask, defect="pit"), 32)
    assert 1 <= small.sum() <= 4
    assert small[14, 12]


def test_the_threshold_weighs_types_alike_and_takes_the_middle_of_the_best():
    masks = np.zeros((4, 8, 8), bool)
    masks[:, :4] = True
    maps = np.where(masks, 0.85, 0.05)
    assert best_threshold(maps, masks, ["a"] * 4) == (0.5, 1.0)
    maps[3] = np.where(masks[3], 0.35, 0.05)
    assert best_threshold(maps, masks, ["a", "a", "a", "b"]) == (0.2, 1.0)
    maps[3] = np.where(masks[3], 0.25, 0.45)
    assert best_threshold(maps, masks, ["a", "a", "a", "b"])[1] == pytest.approx(0.75)


def test_the_rate_rises_then_falls():
    rates = [rate(step, 200) for step in range(200)]
    assert np.argmax(rates) in (9, 10)
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.01, abs=1e-3)


def test_what_cannot_be_trained_or_loaded_is_an_error(tmp_path):
    segmenter = segmenters.create("lfd", **TINY, steps=1)
    with pytest.raises(EvalError, match="no validation image shows a defect"):
        segmenter.fit(TRAIN, VALIDATION[2:])
    with pytest.raises(EvalError, match="no images to train on"):
        segmenter.fit([], VALIDATION)
    with pytest.raises(EvalError, match="not trained yet"):
        segmenter.predict(TRAIN)
    (tmp_path / "segmenter.json").write_text(json.dumps({"name": "lfd"}))
    with pytest.raises(EvalError, match="holds no segmenter"):
        Segmenter.load(tmp_path)
