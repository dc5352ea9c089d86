import numpy as np
import pytest
from scipy import ndimage

from eval.metrics import LIMITS, aupro, published_aupro
from eval.metrics import published as module
from synth.errors import EvalError
from tests.eval.metrics.scenes import scene


def overlap(maps, masks, threshold):
    shares = []
    for scores, mask in zip(maps, masks, strict=True):
        labels, found = ndimage.label(mask, np.ones((3, 3)))
        shares += [(scores[labels == region] > threshold).mean() for region in range(1, found + 1)]
    return np.mean(shares)


def longhand_mvtec(maps, masks, limit):
    good = np.sort(np.concatenate([m[~k] for m, k in zip(maps, masks, strict=True)]))
    corners = [(1.0, 1.0)]
    for place in np.linspace(0, good.size - 1, 100, dtype=int):
        corners.append((1 - (place + 1) / good.size, overlap(maps, masks, good[place])))
    x, y = np.array(corners[::-1]).T
    kept = x < limit
    return np.trapezoid(np.append(y[kept], np.interp(limit, x, y)), np.append(x[kept], limit)) / limit


def longhand_linear(maps, masks, limit, shifted):
    low, high = min(m.min() for m in maps), max(m.max() for m in maps)
    good = np.concatenate([m[~k] for m, k in zip(maps, masks, strict=True)])
    corners = []
    for threshold in low + (high - low) / 200 * np.arange(200):
        rate = (good > threshold).mean()
        if rate < limit:
            corners.append((rate, overlap(maps, masks, threshold)))
    x, y = np.array(corners[::-1]).T
    x = x - x.min() if shifted else x
    return np.trapezoid(y, x / x.max())


@pytest.mark.parametrize("limit", LIMITS)
def test_each_mode_is_its_loop_over_thresholds(limit):
    for seed in range(3):
        maps, masks = scene(seed)
        found = {mode: published_aupro(maps, masks, limit, mode) for mode in module.MODES}
        assert found == {
            "mvtec100": pytest.approx(longhand_mvtec(maps, masks, limit)),
            "linear200": pytest.approx(longhand_linear(maps, masks, limit, False)),
            "linear200_shifted": pytest.approx(longhand_linear(maps, masks, limit, True)),
        }


def test_quantile_thresholds_converge_to_the_exact_area():
    errors = []
    for seed in range(5):
        maps, masks = scene(seed)
        exact = aupro(maps, masks, 0.05)
        sorted_scores = module.sorted_scores(maps, masks)
        errors.append([abs(module.mvtec(sorted_scores, 0.05, n) - exact) for n in (100, 1000, 6000)])
    few, more, all_of_them = np.mean(errors, 0)
    assert few > 4 * more
    assert all_of_them < 1e-3


def test_one_outlying_pixel_spoils_linear_thresholds_and_neither_quantiles_nor_the_exact_area():
    maps, masks = scene(5)
    before = {mode: published_aupro(maps, masks, 0.3, mode) for mode in module.MODES} | {"": aupro(maps, masks)}
    maps[0][0, 0] = 50 * max(m.max() for m in maps)
    after = {mode: published_aupro(maps, masks, 0.3, mode) for mode in module.MODES} | {"": aupro(maps, masks)}
    assert abs(before["linear200"] - after["linear200"]) > 0.1
    assert [after["mvtec100"], after[""]] == pytest.approx([before["mvtec100"], before[""]], abs=0.005)


def test_an_unknown_mode_is_an_error_and_no_defect_is_undefined():
    maps, masks = scene(0)
    with pytest.raises(EvalError, match="mode exact is unknown; choose from mvtec100, linear200"):
        published_aupro(maps, masks, mode="exact")
    with pytest.raises(EvalError, match="limit is 30"):
        published_aupro(maps, masks, 30, mode="linear200")
    with pytest.warns(UserWarning, match="AUPRO is undefined"):
        assert np.isnan(published_aupro(maps[:2], masks[:2]))
    with pytest.warns(UserWarning, match="two thresholds"):
        assert np.isnan(published_aupro([0 * m for m in maps], masks, mode="linear200"))
