import numpy as np
import pytest

from eval.metrics import ScoreHistogram, aupro, auroc, average_precision, f1_max, logit
from eval.metrics.histogram import LOGITS
from synth.errors import EvalError


def scene(kind: str, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Probabilities as networks give them, and masks with regions of several sizes."""
    rng = np.random.default_rng(seed)
    maps, masks = [], []
    for shape in ((80, 120), (64, 64), (50, 90)):
        mask = np.zeros(shape, bool)
        mask[5:9, 10:50] = mask[30:45, 20:24] = mask[40, 60:62] = True
        values = rng.normal(size=shape) * 2 + 3 * mask - 4
        if kind == "saturated":
            values = 8 * values - 20
        elif kind == "narrow":
            values = values / 4
        elif kind == "few levels":
            values = np.round(values)
        maps.append((1 / (1 + np.exp(-values))).astype(np.float32))
        masks.append(mask)
    return maps, masks


def counted(maps, masks) -> ScoreHistogram:
    histogram = ScoreHistogram(*LOGITS)
    for scores, mask in zip(maps, masks, strict=True):
        histogram.add(logit(scores), mask)
    return histogram


@pytest.mark.parametrize("kind", ["plain", "saturated", "narrow", "few levels"])
def test_its_figures_are_the_exact_ones_to_a_thousandth(kind):
    for seed in range(3):
        maps, masks = scene(kind, seed)
        histogram = counted(maps, masks)
        pixels = histogram.counts()
        assert pixels.auroc() == pytest.approx(auroc(maps, masks), abs=1e-3)
        assert pixels.average_precision() == pytest.approx(average_precision(maps, masks), abs=1e-3)
        assert pixels.f1_max() == pytest.approx(f1_max(maps, masks), abs=1e-3)
        for limit in (0.3, 0.1, 0.05, 0.01):
            assert histogram.aupro(limit) == pytest.approx(aupro(maps, masks, limit), abs=1e-3)


@pytest.mark.parametrize("bins", [1, 7, 64, 1024])
def test_its_error_stays_below_the_bound_it_documents(bins):
    maps, masks = scene("plain", 5)
    histogram = ScoreHistogram(*LOGITS, bins)
    for scores, mask in zip(maps, masks, strict=True):
        histogram.add(logit(scores), mask)
    good, defect = histogram._good / histogram._good.sum(), histogram._defect / histogram._defect.sum()
    assert abs(histogram.counts().auroc() - auroc(maps, masks)) <= (good * defect).sum() / 2 + 1e-9
    assert abs(histogram.aupro(0.3) - aupro(maps, masks, 0.3)) <= good.max() / 0.3 + 1e-9


def test_perfect_and_constant_maps():
    maps, masks = scene("plain", 0)
    perfect = counted([mask.astype(np.float32) for mask in masks], masks)
    assert [perfect.counts().auroc(), perfect.counts().f1_max(), perfect.aupro()] == pytest.approx([1, 1, 1])
    constant = counted([0 * scores + np.float32(0.3) for scores in maps], masks)
    assert [constant.counts().auroc(), constant.aupro(0.3)] == pytest.approx([0.5, 0.15])


def test_without_a_defect_it_is_undefined_like_the_exact_figures():
    histogram = ScoreHistogram(0, 1)
    histogram.add(np.zeros((3, 5)), np.zeros((3, 5), bool))
    with pytest.warns(UserWarning, match="AUPRO is undefined"):
        assert np.isnan(histogram.aupro())
    with pytest.warns(UserWarning, match="AUROC is undefined"):
        assert np.isnan(histogram.counts().auroc())


@pytest.mark.parametrize(
    ("scores", "mask", "message"),
    [
        (np.full((2, 3), np.nan), np.zeros((2, 3), bool), "6 of 6 scores are NaN"),
        (np.zeros((2, 3)), np.zeros((3, 2), bool), r"shapes \(2, 3\), labels \(3, 2\)"),
    ],
)
def test_what_cannot_be_counted_is_an_error(scores, mask, message):
    with pytest.raises(EvalError, match=message):
        ScoreHistogram(0, 1).add(scores, mask)
    with pytest.raises(EvalError, match="give low < high"):
        ScoreHistogram(1, 1)
