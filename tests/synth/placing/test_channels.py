import numpy as np
import pytest

from synth.placing.channels import choose_channels, measure_photometry
from tests.synth.placing.scenes import grain

SIZE = (37, 53)


def coloured(seed: int, directions: list[tuple[float, float, float]]) -> np.ndarray:
    """(H, W, 3) uint8 whose colours vary along these directions, each for itself."""
    fields = [(grain(SIZE, 10 * seed + n) - 128)[..., None] * np.array(d) for n, d in enumerate(directions)]
    return np.rint(np.clip(120 + sum(fields), 0, 255)).astype(np.uint8)


GREY = [coloured(seed, [(1, 1, 1)]) for seed in range(3)]
RUSTY = [coloured(seed, [(1, 1, 1), (0.8, -0.2, -0.6)]) for seed in range(3)]
MOTLEY = [coloured(seed, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]) for seed in range(3)]


@pytest.mark.parametrize(("images", "count"), [(GREY, 1), (RUSTY, 2), (MOTLEY, 3)])
def test_there_are_as_many_channels_as_colours_vary_along(images, count):
    channels = choose_channels(images)
    assert channels.of(images[0]).shape == (*SIZE, count)
    assert channels.of(images[0]).dtype == np.float32
    assert np.allclose(channels.axes.T @ channels.axes, np.eye(count), atol=1e-5)


def test_the_channels_of_the_good_images_are_balanced_and_the_first_varies_most():
    channels = choose_channels(RUSTY)
    values = np.concatenate([channels.of(image, 1.0).reshape(-1, 2) for image in RUSTY])
    assert np.abs(values.mean(axis=0)).max() < 0.05
    assert values[:, 0].std() > values[:, 1].std() > 3
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.01


def test_the_same_images_give_the_same_axes():
    channels = choose_channels(RUSTY)
    again, reordered = choose_channels(RUSTY), choose_channels(RUSTY[::-1])
    assert np.array_equal(channels.axes, again.axes)
    assert np.allclose(channels.axes, reordered.axes, atol=1e-4)
    assert (channels.axes.sum(axis=0) >= 0).all()


def test_exposure_does_not_count():
    channels = choose_channels(RUSTY)
    darker = np.rint(RUSTY[0] * 0.64).astype(np.uint8)
    # A square root makes 0.8 of 0.64.
    assert channels.exposure(darker) == pytest.approx(channels.exposure(RUSTY[0]) / 0.8, rel=2e-3)
    assert np.abs(channels.of(darker) - channels.of(RUSTY[0])).mean() < 0.6
    assert np.abs(channels.of(darker, 1.0) - channels.of(RUSTY[0], 1.0)).mean() > 20


def test_exposure_is_that_of_the_whole_image_for_a_part_of_it():
    channels = choose_channels(GREY)
    area = (slice(3, 12), slice(20, 41))
    of_part = channels.of(GREY[1][area], channels.exposure(GREY[1]))
    assert np.allclose(of_part, channels.of(GREY[1])[area], atol=1e-3)


@pytest.mark.parametrize(("level", "factor"), [(1, 2.0), (255, None), (0, 2.0)])
def test_exposure_of_dark_and_bright_images_stays_within_bounds(level, factor):
    channels = choose_channels(GREY)
    found = channels.exposure(np.full((*SIZE, 3), level, np.uint8))
    assert found == (factor if factor else pytest.approx(np.sqrt(120 / 255), abs=0.02))


def test_equal_noise_of_light_is_equal_at_every_level():
    rng = np.random.default_rng(0)
    spread = []
    for level in (40, 200):
        light = rng.poisson(level * 4, SIZE) / 4
        image = np.repeat(np.clip(light, 0, 255)[..., None], 3, axis=2).astype(np.uint8)
        spread.append(choose_channels(GREY).of(image, 1.0).std())
    assert spread[0] == pytest.approx(spread[1], rel=0.15)


def test_levels_may_differ_as_far_as_the_good_images_do():
    rng = np.random.default_rng(0)
    good_images = [rng.normal((shift, 0), 20, (*SIZE, 2)).astype(np.float32) for shift in (-8, 0, 8)]
    photometry = measure_photometry(good_images)
    assert photometry.tolerance == pytest.approx([3 + 2 * np.std([-8, 0, 8]), 3], abs=1.5)
    assert photometry.floor == pytest.approx(3)
    rough = measure_photometry([10 * good for good in good_images])
    assert rough.floor == pytest.approx(0.1 * np.hypot(200, 200), rel=0.05)
