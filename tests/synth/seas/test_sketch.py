"""Sketches: the shot's defect where it was asked for, in the light that is there, and nothing elsewhere."""

import numpy as np
import pytest
from scipy import ndimage

from synth.seas.marks import Mark, describe
from synth.seas.placement import Placement, place
from synth.seas.sketch import shade_profile, sketch
from synth.seas.window import cut, window_for


def _mark(surface: int, defect: int) -> Mark:
    image = np.full((120, 90, 3), surface, dtype=np.uint8)
    mask = np.zeros((120, 90), dtype=bool)
    mask[40:60, 30:44] = True
    image[mask] = defect
    return describe(image, mask)


@pytest.mark.parametrize("surface", [60, 120, 200])
@pytest.mark.parametrize("drawn_outline", [False, True])
def test_the_sketch_keeps_the_defects_contrast_in_another_light_and_the_good_part_elsewhere(
    surface: int, drawn_outline: bool
) -> None:
    marks, rng = [_mark(100, 50)] * 4, np.random.default_rng(3)
    good = np.full((211, 137, 3), surface, dtype=np.uint8)
    placed = place(marks, np.ones(good.shape[:2], dtype=bool), rng)
    window = window_for(placed.mask, 64, rng)
    patch, mask = cut(good, window, 64), cut(placed.mask, window, 64)
    everywhere = np.ones(good.shape[:2], dtype=bool)
    result = sketch(patch, everywhere, Placement(placed.mask) if drawn_outline else placed, marks, window, rng)
    inside, outside = ndimage.binary_erosion(mask, iterations=3), ~ndimage.binary_dilation(mask, iterations=4)
    wanted = surface - 50 if drawn_outline else surface / 2
    assert result[inside].mean() == pytest.approx(wanted, abs=8)
    assert np.array_equal(result[outside], patch[outside])
    assert (np.ptp(result, axis=2) == 0).all()


def test_the_shade_profile_of_a_flat_mark_is_its_step_at_every_depth() -> None:
    profile, grain = shade_profile(_mark(100, 130))
    assert np.allclose(profile, 30, atol=2)
    assert grain < 2


def test_a_mark_that_fills_its_image_still_gives_a_sketch_of_its_own_pattern_in_the_light_that_is_there() -> None:
    """Without surroundings to differ from, a mark is what varies within it: here stripes of +-40 grey levels."""
    image = np.full((37, 53, 3), 90, dtype=np.uint8)
    image[:, ::4] += 40
    image[:, 2::4] -= 40
    mark = describe(image, np.ones((37, 53), dtype=bool))
    rng = np.random.default_rng(0)
    placed = place([mark], np.ones((60, 70), dtype=bool), rng)
    window = window_for(placed.mask, 32, rng)
    patch, everywhere = np.full((32, 32, 3), 150, np.uint8), np.ones((60, 70), dtype=bool)
    result, where = sketch(patch, everywhere, placed, [mark], window, rng), cut(placed.mask, window, 32)
    inside, outside = ndimage.binary_erosion(where, iterations=2), ~ndimage.binary_dilation(where, iterations=4)
    assert (result.shape, result.dtype) == (patch.shape, np.uint8)
    assert result[inside].std() > 8
    assert result[inside].mean() == pytest.approx(150, abs=10)
    assert np.array_equal(result[outside], patch[outside])


def test_the_table_beside_the_part_takes_no_part_in_the_light() -> None:
    shot, mask = np.full((120, 120, 3), 20, dtype=np.uint8), np.zeros((120, 120), dtype=bool)
    shot[30:90, 30:90], mask[34:66, 34:66] = 200, True
    shot[mask] = 110
    good, product = np.full((120, 120, 3), 20, dtype=np.uint8), np.zeros((120, 120), dtype=bool)
    good[20:100, 20:100], product[20:100, 20:100] = 200, True
    rng = np.random.default_rng(1)
    placed = place([describe(shot, mask, shot[..., 0] > 20)], product, rng)
    window = window_for(placed.mask, 64, rng)
    result = sketch(cut(good, window, 64), product, placed, [], window, rng)
    inside = ndimage.binary_erosion(cut(placed.mask, window, 64), iterations=3)
    assert np.abs(result[inside].astype(int) - 110).mean() < 10
