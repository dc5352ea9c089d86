import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from eval.metrics import area_under, aupro, instance_average_precision, pro_curve
from synth.errors import EvalError


def longhand(maps, masks, limit):
    """One threshold after the other, one region after the other."""
    regions = []
    for number, mask in enumerate(masks):
        labels, found = ndimage.label(mask, np.ones((3, 3)))
        regions += [(number, labels == region) for region in range(1, found + 1)]
    good = np.concatenate([m[~mask] for m, mask in zip(maps, masks, strict=True)])
    x, y = [0.0], [0.0]
    for t in sorted({float(v) for m in maps for v in m.ravel()}, reverse=True):
        x.append((good >= t).mean())
        y.append(np.mean([(maps[number][region] >= t).mean() for number, region in regions]))
    area = 0.0
    for i in range(1, len(x)):
        left, right = x[i - 1], min(x[i], limit)
        if right > left:
            slope = (y[i] - y[i - 1]) / (x[i] - x[i - 1])
            area += (right - left) * (y[i - 1] + slope * (right - left) / 2)
    return area / limit


def scene(seed: int, levels: int | None = None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    masks = [np.zeros(shape, bool) for shape in ((11, 13), (7, 17), (5, 3))]
    masks[0][2:5, 3:9] = masks[0][8, 1:3] = masks[0][9, 3] = True
    masks[1][1:6, 10] = True
    maps = [rng.normal(size=m.shape) + 1.2 * m for m in masks]
    return [np.round(m * levels) if levels else m for m in maps], masks


@pytest.mark.parametrize("levels", [None, 1, 3])
@pytest.mark.parametrize("limit", [1.0, 0.3, 0.1, 0.01])
def test_it_equals_the_longhand_count(limit, levels):
    for seed in range(5):
        maps, masks = scene(seed, levels)
        assert aupro(maps, masks, limit) == pytest.approx(longhand(maps, masks, limit), abs=1e-12)


@given(
    arrays.arrays(np.int8, (2, 4, 5), elements=st.integers(0, 3)),
    arrays.arrays(bool, (2, 4, 5)),
    st.sampled_from([1.0, 0.3, 0.05]),
)
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore:AUPRO is undefined")
def test_it_equals_the_longhand_count_of_any_tied_maps_and_is_nan_for_one_class(maps, masks, limit):
    found = aupro(maps, masks, limit)
    if masks.all() or not masks.any():
        assert np.isnan(found)
    else:
        assert found == pytest.approx(longhand(maps, masks, limit), abs=1e-12)


def test_only_the_order_of_scores_counts():
    maps, masks = scene(2)
    steeper = [np.exp(3 * one) * 100 for one in maps]
    assert aupro(steeper, masks, 0.05) == aupro(maps, masks, 0.05)
    assert instance_average_precision(steeper, masks) == instance_average_precision(maps, masks)


def test_one_curve_gives_every_limit():
    maps, masks = scene(3)
    fpr, pro = pro_curve(maps, masks, 0.3)
    for limit in (0.3, 0.1, 0.05, 0.01):
        assert area_under(fpr, pro, limit) == pytest.approx(aupro(maps, masks, limit), abs=1e-12)


def test_perfect_constant_and_inverted_maps():
    _, masks = scene(0)
    maps = [mask.astype(float) for mask in masks]
    assert aupro(maps, masks) == pytest.approx(1, abs=1e-12)
    assert aupro([m * 0 for m in maps], masks, 0.3) == pytest.approx(0.15)
    assert aupro([-m for m in maps], masks) == 0


def test_a_small_defect_weighs_as_much_as_a_large_one():
    masks = np.zeros((1, 20, 20), bool)
    masks[0, 1:11, 1:11] = masks[0, 15, 15] = True
    found_large, found_small = masks.astype(float), np.zeros(masks.shape)
    found_large[0, 15, 15] = -1
    found_small[0, 15, 15], found_small[0, 1:11, 1:11] = 1, -1
    assert aupro(found_large, masks) == pytest.approx(0.5)
    assert aupro(found_small, masks) == pytest.approx(0.5)


def test_one_outlying_pixel_moves_it_by_that_pixel_only():
    maps, masks = scene(1)
    good = sum(int((~mask).sum()) for mask in masks)
    before = aupro(maps, masks, 0.3)
    maps[2][0, 0] = 1e6
    assert abs(aupro(maps, masks, 0.3) - before) <= 1 / (0.3 * good) + 1e-9


@pytest.mark.parametrize("full", [True, False])
def test_it_is_nan_without_a_defect_or_without_a_good_pixel(full):
    with pytest.warns(UserWarning, match="AUPRO is undefined"):
        assert np.isnan(aupro(np.zeros((2, 3, 5)), np.full((2, 3, 5), full)))


@pytest.mark.parametrize("limit", [0, -0.1, 1.5, 30])
def test_a_limit_that_is_no_rate_is_an_error(limit):
    maps, masks = scene(0)
    with pytest.raises(EvalError, match="wanted a false-positive rate above 0"):
        aupro(maps, masks, limit)
