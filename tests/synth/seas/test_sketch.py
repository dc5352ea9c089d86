"""Sketches: the shots' shade under a mask of the user's, in the light that is there, and nothing elsewhere."""

import numpy as np
import pytest
from scipy import ndimage

from synth.seas.marks import Mark, describe
from synth.seas.sketch import shade_profile, shaded


def _mark(surface: int, defect: int) -> Mark:
    image = np.full((120, 90, 3), surface, dtype=np.uint8)
    mask = np.zeros((120, 90), dtype=bool)
    mask[40:60, 30:44] = True
    image[mask] = defect
    return describe(image, mask)


@pytest.mark.parametrize("surface", [60, 120, 200])
def test_the_sketch_keeps_the_defects_contrast_in_another_light_and_the_good_part_elsewhere(surface: int) -> None:
    good, mask = np.full((211, 137, 3), surface, dtype=np.uint8), np.zeros((211, 137), dtype=bool)
    mask[190:, 100:120] = True
    result = shaded(good, mask, _mark(100, 50), np.random.default_rng(3))
    inside, outside = ndimage.binary_erosion(mask, iterations=3), ~ndimage.binary_dilation(mask, iterations=4)
    assert result[inside].mean() == pytest.approx(surface - 50, abs=8)
    assert np.array_equal(result[outside], good[outside])
    assert (np.ptp(result, axis=2) == 0).all()


def test_the_shade_profile_of_a_flat_mark_is_its_step_at_every_depth() -> None:
    profile, grain = shade_profile(_mark(100, 130))
    assert np.allclose(profile, 30, atol=2)
    assert grain < 2
