import numpy as np
import pytest

from synth.placing.fit import (
    LEAST_SEEN,
    Photometry,
    Templates,
    around,
    common_size,
    image_spectra,
    template_spectra,
    whole,
)

SIZE = (13, 19)


def random_templates(canvas: tuple[int, int], channels: int, count: int, seed: int = 1) -> Templates:
    """Rings of random pixels, 6 of 10, with values of another level than the image's; those beside a ring are wild."""
    rng = np.random.default_rng(seed)
    area = canvas[0] * canvas[1]
    # Not a multiple of 5: else 0.6 of it could be inside exactly, and rounding would decide.
    inside = 6 * area // 10 + (6 * area // 10 % 5 == 0)
    weight = np.stack([rng.permutation(area) < inside for _ in range(count)]).reshape(count, *canvas)
    values = rng.normal(8, 30, (count, channels, *canvas))
    return Templates(weight.astype(np.float32), np.where(weight[:, None], values, 1e3).astype(np.float32))


def random_image(channels: int, size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 25, (*size, channels)).astype(np.float32)


def photometry(channels: int, tolerance: float = 4.0, floor: float = 3.0) -> Photometry:
    return Photometry(np.full(channels, tolerance), floor)


def longhand(
    image: np.ndarray, weight: np.ndarray, ring: np.ndarray, values: np.ndarray, play: Photometry, row: int, column: int
) -> float:
    """D of one ring (a, b) with values (C, a, b) on one pixel, as the module defines it."""
    there, here = [], []
    for i in range(ring.shape[0]):
        for j in range(ring.shape[1]):
            y, x = row + i - ring.shape[0] // 2, column + j - ring.shape[1] // 2
            if ring[i, j] and 0 <= y < image.shape[0] and 0 <= x < image.shape[1] and weight[y, x]:
                there.append(values[:, i, j])
                here.append(image[y, x])
    if len(there) < LEAST_SEEN * ring.sum():
        return np.inf
    t, i = np.array(there, float), np.array(here, float)
    variance_t, variance_i = t.var(axis=0).sum(), i.var(axis=0).sum()
    larger = max(variance_t, variance_i)
    r = ((t - t.mean(0)) * (i - i.mean(0))).mean(0).sum() / np.sqrt(variance_t * variance_i)
    level = np.maximum(0, np.abs(i.mean(0) - t.mean(0)) - play.tolerance)
    return (2 * (1 - r) * larger + (level**2).sum()) / (larger + play.floor**2)


def everywhere(image: np.ndarray, weight: np.ndarray, rings: Templates, play: Photometry) -> np.ndarray:
    pairs = list(zip(rings.weight, rings.values, strict=True))
    places = [[longhand(image, weight, *pair, play, y, x) for y, x in np.ndindex(weight.shape)] for pair in pairs]
    return np.array(places).reshape(len(pairs), *weight.shape)


def by_fft(image: np.ndarray, rings: Templates, play: Photometry, overhang: bool) -> np.ndarray:
    size = common_size(image.shape[:2], rings.size)
    return whole(image_spectra(image, size), template_spectra(rings, size), play, overhang)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("canvas", [(5, 7), (11, 15)])
def test_differences_over_a_whole_image_are_those_of_the_definition_beyond_its_border_too(channels, canvas):
    image, rings, play = random_image(channels), random_templates(canvas, channels, 2), photometry(channels)
    wanted = everywhere(image, np.ones(SIZE), rings, play)
    assert np.isinf(wanted[:, 0, 0]).all()
    assert np.allclose(by_fft(image, rings, play, overhang=True), wanted, rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_differences_without_overhang_are_those_of_the_definition_inside(channels):
    image, rings, play = random_image(channels), random_templates((5, 7), channels, 3), photometry(channels)
    found = by_fft(image, rings, play, overhang=False)[:, 2:-2, 3:-3]
    assert np.allclose(found, everywhere(image, np.ones(SIZE), rings, play)[:, 2:-2, 3:-3], rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("row", "column"), [(6, 9), (1, 17), (12, 0)])
def test_differences_around_a_place_are_those_of_the_definition_and_weightless_pixels_do_not_count(
    channels, row, column
):
    image, rings, play = random_image(channels), random_templates((5, 7), channels, 3), photometry(channels)
    weight = (np.random.default_rng(2).random(SIZE) > 0.15).astype(np.float32)
    found = around(image, weight, rings, play, row, column, 2)
    assert found.shape == (3, 5, 5)
    whole_image = np.pad(everywhere(image, weight, rings, play), ((0, 0), (2, 2), (2, 2)), constant_values=np.nan)
    wanted = whole_image[:, row : row + 5, column : column + 5]
    assert np.allclose(found[~np.isnan(wanted)], wanted[~np.isnan(wanted)], rtol=5e-3, atol=5e-3)
    # What lies where the weight is 0 is never seen.
    image[weight == 0] = 1e4
    assert np.array_equal(around(image, weight, rings, play, row, column, 2), found)


def test_too_little_of_a_ring_inside_is_no_fit():
    image, rings = random_image(1), Templates(np.ones((1, 5, 5), np.float32), np.zeros((1, 1, 5, 5), np.float32))
    sees_three_rows, sees_four_rows = (
        around(image, np.ones(SIZE, np.float32), rings, photometry(1), row, 9, 0) for row in (-1, 1)
    )
    assert np.isinf(sees_three_rows).all()
    assert np.isfinite(sees_four_rows).all()


@pytest.mark.parametrize("gain", [1.0, 0.7, 1.4])
def test_a_copy_fits_at_any_exposure_and_anything_else_differs_by_about_two_or_more(gain):
    image, play = random_image(3, (37, 53)), photometry(3)
    rings = random_templates((13, 17), 3, 1)
    copy = np.moveaxis(image[12 - 6 : 12 + 7, 30 - 8 : 30 + 9], -1, 0)[None]
    found = by_fft(gain * image, Templates(rings.weight, np.ascontiguousarray(copy)), play, overhang=True)[0]
    assert found[12, 30] < 0.01
    found[12, 30] = np.inf
    others = found[np.isfinite(found)]
    assert others.min() > 1.2
    assert np.median(others) > 1.8


def test_a_plain_surface_fits_a_plain_one_of_its_own_level_only():
    rng = np.random.default_rng(0)
    steps = np.repeat([0.0, 4.0, 20.0], 20)[None].repeat(37, 0)
    image = (steps + rng.normal(0, 0.5, steps.shape))[..., None].astype(np.float32)
    rings = Templates(np.ones((1, 7, 9), np.float32), rng.normal(0, 0.5, (1, 1, 7, 9)).astype(np.float32))
    same, within_tolerance, brighter = by_fft(image, rings, photometry(1, tolerance=5), overhang=False)[0, 18, 10::20]
    assert same < 0.2
    assert within_tolerance < 0.2
    assert brighter == pytest.approx(15**2 / (3**2 + 0.5**2), rel=0.1)


def test_a_textured_surface_does_not_fit_a_plain_one_whatever_the_noise():
    rng = np.random.default_rng(0)
    rings = Templates(np.ones((1, 7, 9), np.float32), rng.normal(0, 20, (1, 1, 7, 9)).astype(np.float32))
    plain = rng.normal(0, 0.02, (37, 53, 1)).astype(np.float32)
    found = by_fft(plain, rings, photometry(1, tolerance=5), overhang=False)[0, 4:-4, 5:-5]
    assert found == pytest.approx(np.full(found.shape, 2 * 20**2 / (20**2 + 3**2)), abs=0.2)


def test_reach_says_how_far_each_ring_goes_from_the_middle():
    weight = np.zeros((2, 9, 13), np.float32)
    weight[0, 1:6, 2:12] = 1
    weight[1, 4, 6] = weight[1, 8, 5] = 1
    reach = Templates(weight, np.zeros((2, 1, 9, 13), np.float32)).reach
    assert reach.tolist() == [[3, 4, 1, 5], [0, 1, 4, 0]]


def test_a_ring_reaches_no_farther_than_reach_says():
    rings = random_templates((11, 15), 1, 1)
    rings.weight[0, :3], rings.weight[0, :, 12:] = 0, 0
    up, left, down, right = rings.reach[0]
    overhanging = by_fft(random_image(1), rings, photometry(1), overhang=True)[0]
    inside = by_fft(random_image(1), rings, photometry(1), overhang=False)[0]
    room = (slice(up, SIZE[0] - down), slice(left, SIZE[1] - right))
    assert np.allclose(overhanging[room], inside[room], rtol=5e-3, atol=5e-3)
    assert not np.allclose(overhanging[up - 1], inside[up - 1], rtol=5e-3, atol=5e-3)
    assert not np.allclose(overhanging[:, left - 1], inside[:, left - 1], rtol=5e-3, atol=5e-3)
