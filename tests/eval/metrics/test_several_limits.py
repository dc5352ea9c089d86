import numpy as np
import pytest

from eval.metrics import LIMITS, ScoreHistogram, aupro, aupros
from tests.eval.metrics.scenes import scene


@pytest.mark.parametrize("levels", [None, 1, 3])
def test_several_limits_from_one_curve_are_those_of_single_ones(levels):
    maps, masks = scene(1, levels)
    assert aupros(maps, masks) == {limit: pytest.approx(aupro(maps, masks, limit), abs=1e-12) for limit in LIMITS}


def test_a_histogram_gives_every_limit_too():
    maps, masks = scene(2, 8)
    histogram = ScoreHistogram(-60, 60, bins=1200)
    for scores, mask in zip(maps, masks, strict=True):
        histogram.add(scores, mask)
    assert histogram.aupros() == {limit: pytest.approx(area, abs=1e-9) for limit, area in aupros(maps, masks).items()}


def test_maps_that_are_all_the_same_give_half_of_the_limit():
    maps, masks = scene(0)
    assert aupros([0 * one for one in maps], masks) == {limit: pytest.approx(limit / 2) for limit in LIMITS}


@pytest.mark.parametrize("full", [True, False])
def test_they_are_nan_and_say_so_without_a_defect_or_a_good_pixel(full):
    masks = np.full((2, 3, 5), full)
    with pytest.warns(UserWarning, match="AUPRO is undefined"):
        assert np.isnan(list(aupros(np.zeros((2, 3, 5)), masks).values())).all()
    histogram = ScoreHistogram(0, 1)
    histogram.add(np.zeros((3, 5)), masks[0])
    with pytest.warns(UserWarning, match="AUPRO is undefined"):
        assert np.isnan(list(histogram.aupros().values())).all()
