"""The mask of what appeared, and how a drawing joins the good image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from synth.seas.compose import (
    certainty,
    change_level,
    join,
    neighbourhood,
    tidy,
    to_image,
    true_mask,
    visible_change,
)
from synth.seas.window import Window, cut


def _noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _square(size: int = 40, low: int = 12, high: int = 26) -> np.ndarray:
    mask = np.zeros((size, size), dtype=bool)
    mask[low:high, low:high] = True
    return mask


def test_the_neighbourhood_is_one_on_the_mask_and_ends_at_its_reach() -> None:
    mask = _square()
    weight, distance = neighbourhood(mask, 6.0), ndimage.distance_transform_edt(~mask)
    assert (weight[mask] == 1).all()
    assert (weight[distance >= 6] == 0).all()
    assert (weight[(distance > 0) & (distance < 6)] > 0).all()
    assert not neighbourhood(np.zeros((5, 7), dtype=bool), 6.0).any()


def test_a_mask_needs_the_heads_word_a_visible_change_and_freedom() -> None:
    mask, everywhere = _square(), np.ones((40, 40), dtype=bool)
    said = np.where(mask, 0.9, 0.1)
    changed, still = np.where(mask, 30.0, 0.0), np.zeros((40, 40))
    assert np.array_equal(true_mask(said, 0.5, changed, 4.0, everywhere), mask)
    assert not true_mask(said, 0.5, still, 4.0, everywhere).any()
    assert not true_mask(0.4 * said, 0.5, changed, 4.0, everywhere).any()
    assert not true_mask(said, 0.5, changed, 4.0, ~mask).any()


def test_a_thin_mark_that_the_head_overlooks_is_found_where_it_was_asked_for_and_shows() -> None:
    asked, everywhere, silent = np.zeros((40, 40), dtype=bool), np.ones((40, 40), dtype=bool), np.zeros((40, 40))
    asked[5:35, 20] = True
    drawn = asked.copy()
    drawn[20:] = False
    change = 30.0 * drawn + 30.0 * _square(40, 0, 4)
    sure = certainty(silent, change, 4.0, asked)
    assert np.array_equal(true_mask(sure, 0.5, change, 4.0, everywhere), drawn)
    assert sure[drawn].min() > 0.8
    assert np.array_equal(certainty(silent, change, 4.0, None), silent)


def test_a_gap_of_a_few_pixels_belongs_to_the_mark_and_unchanged_ground_does_not() -> None:
    said, change = _square(40, 5, 35) * 0.9, 30.0 * _square(40, 5, 20)
    change[10:13] = 0
    found = true_mask(said, 0.5, change, 4.0, np.ones((40, 40), dtype=bool))
    assert (found ^ _square(40, 5, 20)).sum() < 10  # the closing's diamond leaves out corners of the gap


def test_of_two_marks_the_one_that_did_not_appear_is_left_out() -> None:
    one, other = _square(40, 2, 12), _square(40, 25, 36)
    found = true_mask((one | other) * 0.9, 0.5, np.where(one, 30.0, 0.0), 4.0, np.ones((40, 40), dtype=bool))
    assert np.array_equal(found, one)


def test_small_holes_close_large_ones_stay_and_specks_go() -> None:
    mask = _square()
    pierced, hollow, speckled = mask.copy(), mask.copy(), mask.copy()
    pierced[15:17, 15:17] = False
    hollow[14:24, 14:24] = False
    speckled[2, 2] = True
    assert np.array_equal(tidy(pierced), mask)
    assert np.array_equal(tidy(hollow), hollow)
    assert np.array_equal(tidy(speckled), mask)
    assert not tidy(np.zeros_like(mask)).any()


@given(st.integers(0, 2**32), st.integers(5, 200))
@settings(max_examples=30, deadline=None)
def test_a_mask_that_is_not_empty_stays_so_in_the_image(seed: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((32, 32), dtype=bool)
    mask[tuple(rng.integers(8, 24, 2))] = True
    assert to_image(mask, Window(0, 0, side), (220, 231, 3)).any()


@pytest.mark.parametrize("window", [Window(0, 0, 37), Window(-4, 10, 45)])
def test_a_mask_cut_out_and_laid_back_is_nearly_itself(window: Window) -> None:
    mask = np.zeros((37, 53), dtype=bool)
    mask[10:22, 20:31] = True
    back = to_image(cut(mask, window, 128), window, mask.shape)
    assert (back & mask).sum() / (back | mask).sum() > 0.95


def test_change_is_measured_in_grey_levels_and_rough_surfaces_ask_for_more_of_it() -> None:
    good = np.full((30, 30, 3), 100.0)
    drawn = good.copy()
    drawn[10:20, 10:20, 1] += 20
    assert visible_change(drawn, good).max() == pytest.approx(20, abs=0.1)
    free = np.ones((30, 30), dtype=bool)
    rough = np.random.default_rng(0).normal(128, 30, (30, 30, 3)).clip(0, 255).astype(np.uint8)
    still, nowhere = np.zeros(free.shape), np.zeros(free.shape, dtype=bool)
    assert change_level(good.astype(np.uint8), free, still, nowhere) == 4
    assert change_level(rough, free, still, nowhere) > 10
    redrawn = np.full(free.shape, 7.0)
    assert change_level(good.astype(np.uint8), free, redrawn, None) == 4
    asked = np.zeros(free.shape, dtype=bool)
    asked[tuple(np.argwhere(free)[0])] = True
    assert change_level(good.astype(np.uint8), free, redrawn, asked) == 7


@pytest.mark.parametrize("window", [Window(3, 5, 20), Window(-8, 40, 30), Window(-20, -10, 90)])
def test_a_join_leaves_every_pixel_without_alpha_bit_identical(window: Window) -> None:
    image, drawn, good = _noise(37, 53), _noise(32, 32, 1).astype(np.float32), _noise(32, 32, 2).astype(np.float32)
    alpha = np.zeros((37, 53), dtype=np.float32)
    alpha[10:20, 43:50] = 0.7
    before = image.copy()
    result = join(image, drawn, good, window, alpha, grey=False)
    assert np.array_equal(result[alpha == 0], image[alpha == 0])
    assert np.array_equal(image, before)
    assert (result != image).any() == (window.side != 20)


def test_joining_another_image_gives_that_image() -> None:
    image, other, window = _noise(37, 53), _noise(37, 53, 1), Window(-3, 20, 40)
    drawn, good = (cut(one, window, 40).astype(np.float32) for one in (other, image))
    result = join(image, drawn, good, window, np.ones((37, 53), dtype=np.float32), grey=False)
    rows, columns = window.overlap(image.shape)
    assert np.array_equal(result[rows, columns], other[rows, columns])
    assert np.array_equal(result[:, :20], image[:, :20])


def test_structure_that_the_drawing_hides_does_not_shine_through_and_what_it_keeps_stays_sharp() -> None:
    stripes = np.repeat((100 + 50 * (np.arange(96) // 3 % 2))[None, :, None], 96, axis=0).repeat(3, axis=2)
    image, window, alpha = stripes.astype(np.uint8), Window(0, 0, 96), np.ones((96, 96), dtype=np.float32)
    good = ndimage.gaussian_filter(stripes.astype(np.float32), (0, 1, 0))  # as a VAE that loses detail shows it
    brighter = join(image, good + 20, good, window, alpha, grey=False)
    assert np.abs(brighter.astype(int) - image - 20).max() <= 2
    covered = join(image, np.full_like(good, 60), good, window, alpha, grey=False)
    assert covered[10:-10, 10:-10].std() < 0.15 * image.std()


def test_a_grey_image_stays_grey() -> None:
    image = np.repeat(_noise(24, 24)[..., :1], 3, axis=2)
    drawn, good = np.random.default_rng(0).uniform(0, 255, (2, 24, 24, 3)).astype(np.float32)
    result = join(image, drawn, good, Window(0, 0, 24), np.ones((24, 24), dtype=np.float32), grey=True)
    assert (np.ptp(result, axis=2) == 0).all()
    assert (result != image).any()
