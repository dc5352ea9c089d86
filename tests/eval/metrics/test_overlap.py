import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from eval.metrics import SIZE_BINS, best_dice, best_iou, dice, iou, overlap_by_size, size_bin
from synth.errors import EvalError

TRUTH = np.zeros((7, 11), bool)
TRUTH[2:5, 3:8] = True


def test_both_equal_scikit_learn_and_each_other():
    rng = np.random.default_rng(4)
    for _ in range(10):
        found = rng.uniform(size=TRUTH.shape) < 0.4
        assert iou(found, TRUTH) == pytest.approx(jaccard_score(TRUTH.ravel(), found.ravel()))
        assert dice(found, TRUTH) == pytest.approx(f1_score(TRUTH.ravel(), found.ravel()))
        assert dice(found, TRUTH) == pytest.approx(2 * iou(found, TRUTH) / (1 + iou(found, TRUTH)))


def test_empty_masks_agree_with_each_other_only():
    empty = np.zeros_like(TRUTH)
    assert (iou(empty, empty), dice(empty, empty)) == (1, 1)
    assert (iou(empty, TRUTH), dice(TRUTH, empty)) == (0, 0)


def test_the_best_threshold_is_the_best_of_all():
    rng = np.random.default_rng(8)
    scores = np.round(rng.normal(size=TRUTH.shape) + TRUTH, 1)
    value, threshold = best_iou(scores, TRUTH)
    assert value == pytest.approx(max(iou(scores >= t, TRUTH) for t in np.unique(scores)))
    assert value == pytest.approx(iou(scores >= threshold, TRUTH))
    assert best_dice(scores, TRUTH) == (pytest.approx(dice(scores >= threshold, TRUTH)), threshold)


def test_the_best_threshold_of_a_good_image_is_an_error():
    with pytest.raises(EvalError, match="mask is empty"):
        best_iou(np.zeros(TRUTH.shape), TRUTH & False)


@pytest.mark.parametrize(
    ("found", "message"),
    [(TRUTH.astype(float), "is float64, wanted bool"), (TRUTH.T, r"\(11, 7\), the mask \(7, 11\)")],
)
def test_what_is_no_mask_of_the_image_is_an_error(found, message):
    with pytest.raises(EvalError, match=message):
        iou(found, TRUTH)


def test_every_defect_has_one_size_bin():
    mask = np.zeros((100, 100), bool)
    named = []
    for pixels in (1, 20, 21, 100, 101, 500, 501, 10_000):
        mask.ravel()[:pixels] = True
        named.append(size_bin(mask))
    assert named == [name for name in SIZE_BINS for _ in range(2)]
    with pytest.raises(EvalError, match="no defect size"):
        size_bin(mask & False)


def test_overlap_by_size_is_the_mean_of_single_images():
    rng = np.random.default_rng(3)
    masks = [np.zeros((40, 50), bool) for _ in range(5)]
    for mask, side in zip(masks, (0, 2, 2, 5, 9), strict=True):
        mask[3 : 3 + side, 4 : 4 + side] = True
    maps = [rng.uniform(size=mask.shape) + mask for mask in masks]
    found = overlap_by_size(maps, masks, 0.9)
    assert [found[name].images for name in ("tiny", "all")] == [2, 4]
    assert found["large"] is None
    assert found["tiny"].dice == pytest.approx(np.mean([dice(maps[i] >= 0.9, masks[i]) for i in (1, 2)]))
    assert found["all"].iou == pytest.approx(np.mean([iou(maps[i] >= 0.9, masks[i]) for i in range(1, 5)]))
    assert found["all"].best_iou == pytest.approx(np.mean([best_iou(maps[i], masks[i])[0] for i in range(1, 5)]))
    assert found["medium"].best_dice == best_dice(maps[4], masks[4])[0]
