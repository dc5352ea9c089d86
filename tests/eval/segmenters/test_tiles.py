"""Tiles: tiny defects survive, and what is predicted by windows is one map of the image's own size."""

import numpy as np
import pytest
from scipy import ndimage

from eval import segmenters
from eval.segmenters.feed import Feed, Pool
from eval.segmenters.resizing import resize
from eval.segmenters.tiles import blended, cut, draw_corner, padded
from eval.segmenters.training import Trained
from synth.sample import Sample


def crack(seed: int, size=(150, 420), defect: str | None = "crack") -> Sample:
    """Grain, and a dark line one or two pixels wide."""
    rng = np.random.default_rng(seed)
    image = np.clip(128 + 60 * ndimage.gaussian_filter(rng.normal(size=size), 1.5), 0, 255).astype(np.uint8)
    mask = np.zeros(size, bool)
    if defect is not None:
        top, left = int(rng.integers(20, size[0] - 20)), int(rng.integers(20, size[1] - 80))
        for step in range(60):
            mask[top + step // 10, left + step] = True
        image[mask] //= 3
    return Sample(f"c{seed}", image[..., None].repeat(3, -1), mask, product="p", defect=defect)


@pytest.mark.parametrize("size", [(64, 64), (64, 200), (37, 53), (200, 40), (111, 163)])
def test_windows_cover_every_pixel_and_blend_into_the_image_s_own_size(size):
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    seen = []

    def predict(windows):
        seen.append(len(windows))
        assert windows.shape[1:] == (64, 64, 3)
        return windows[..., 0] / 255

    assert np.allclose(blended(predict, image, 64), image[..., 0] / 255, atol=1e-6)
    assert seen[0] == np.prod([1 + int(np.ceil((max(64, length) - 64) / 48)) for length in size])


def test_seams_are_smooth():
    def predict(windows):
        return np.arange(len(windows), dtype=float)[:, None, None] + np.zeros((1, 64, 64))

    found = blended(predict, np.zeros((64, 160, 3), np.uint8), 64)
    assert found.min() == 0
    assert found.max() == 2
    assert np.abs(np.diff(found, axis=1)).max() < 0.15


@pytest.mark.parametrize("side", [32, 64])
def test_a_window_of_a_defective_image_shows_the_defect_anywhere_but_at_its_very_border(side):
    mask = np.zeros((150, 420), bool)
    mask[70:72, 200:202] = True
    corners = [draw_corner(mask, side, np.random.default_rng(seed)) for seed in range(200)]
    assert all(cut(mask, corner, side).sum() == 4 for corner in corners)
    assert np.ptp(np.array(corners), axis=0).min() > 0.6 * side


def test_a_window_of_a_good_image_is_anywhere():
    corners = np.array([draw_corner(np.zeros((50, 90), bool), 32, np.random.default_rng(seed)) for seed in range(300)])
    assert corners.min() == 0
    assert corners.max(0).tolist() == [18, 58]


@pytest.mark.parametrize("size", [(20, 300), (300, 20), (20, 20)])
def test_images_smaller_than_a_tile_are_mirrored(size):
    sample = crack(1, (45, 110))
    array = padded(np.arange(size[0] * size[1]).reshape(size), 64)
    assert array.shape == (max(64, size[0]), max(64, size[1]))
    assert array.max() == size[0] * size[1] - 1
    config = segmenters.configure("lfd", resolution=64, tile=128, steps=4)
    images, masks = Feed(Pool([sample], 64, 128), config).batch(3)
    assert images.shape == (8, 64, 64, 3)
    assert masks.any((1, 2)).all()


@pytest.mark.parametrize("number", [0, 5])
def test_windows_depend_on_the_batch_s_number_alone(number):
    samples = [*(crack(seed) for seed in range(3)), crack(9, defect=None)]
    config = segmenters.configure("lfd", resolution=32, tile=64, steps=9)
    one, other = (Feed(Pool(samples, 32, 64), config) for _ in range(2))
    list(other.batches(0, number))
    assert all(np.array_equal(a, b) for a, b in zip(one.batch(number), other.batch(number), strict=True))


def test_a_thin_crack_of_a_wide_image_is_kept_by_tiles_and_blurred_away_without():
    sample = crack(3, (320, 1280))

    def contrast(tile):
        image, mask = resize(sample, 64, tile)
        ring = ndimage.binary_dilation(mask, iterations=3) & ~mask
        return float(image[ring].mean()) - float(image[mask].mean())

    assert contrast(64) > 60
    assert contrast(None) < 15


def test_a_segmenter_with_tiles_trains_resumes_and_predicts_at_the_image_s_own_size(tmp_path):
    train = [*(crack(seed) for seed in range(4)), crack(20, (100, 70), None)]
    config = {"width": 0.25, "resolution": 32, "tile": 64, "batch": 4, "steps": 4, "validate_every": 2}
    whole = segmenters.create("lfd", **config)
    trained = whole.fit(train, [crack(30, (70, 150))])
    assert isinstance(trained, Trained)

    def killed(_stage, done, _total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segmenters.create("lfd", **config).fit(train, [crack(30, (70, 150))], tmp_path, killed)
    resumed = segmenters.create("lfd", **config)
    resumed.fit(train, [crack(30, (70, 150))], tmp_path)
    maps = whole.predict([crack(40), crack(41, (30, 50), None)])
    assert [found.shape for found in maps] == [(150, 420), (30, 50)]
    assert np.array_equal(resumed.predict([crack(40)])[0], maps[0])
