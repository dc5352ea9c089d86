import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from eval.metrics import auroc, average_precision, f1_max
from synth.errors import EvalError


def scored(seed: int, n: int, levels: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Scores that say a little about their labels; `levels` of them at most, so that they tie."""
    rng = np.random.default_rng(seed)
    labels = rng.uniform(size=n) < 0.2
    labels[:2] = True, False
    scores = rng.normal(size=n) + labels
    return (scores if levels is None else np.round(scores * levels / 6)), labels


@pytest.mark.parametrize("levels", [None, 4, 40])
@pytest.mark.parametrize("n", [2, 37, 5003])
def test_all_three_equal_scikit_learn(n, levels):
    scores, labels = scored(n, n, levels)
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert f1_max(scores, labels) == pytest.approx(f1.max(), abs=1e-12)


@given(arrays.arrays(np.int8, st.integers(2, 30), elements=st.integers(0, 5)), st.randoms())
@settings(max_examples=60, deadline=None)
def test_they_equal_a_count_over_every_threshold(scores, random):
    labels = np.array([random.random() < 0.5 for _ in scores])
    labels[0], labels[-1] = True, False
    hits = [((scores >= t) & labels).sum() for t in sorted(set(scores), reverse=True)]
    found = [(scores >= t).sum() for t in sorted(set(scores), reverse=True)]
    steps = np.diff(hits, prepend=0) / labels.sum()
    pairs = scores[labels][:, None].astype(int) - scores[~labels][None]
    assert auroc(scores, labels) == pytest.approx((pairs > 0).mean() + 0.5 * (pairs == 0).mean())
    assert average_precision(scores, labels) == pytest.approx((steps * np.array(hits) / found).sum())
    assert f1_max(scores, labels) == pytest.approx(
        max(2 * h / (f + labels.sum()) for h, f in zip(hits, found, strict=True))
    )


def test_perfect_inverted_and_constant_scores():
    labels = np.array([[True, False, False], [True, False, False]])
    scores = labels * 1.0
    assert [m(scores, labels) for m in (auroc, average_precision, f1_max)] == [1, 1, 1]
    assert auroc(-scores, labels) == 0
    constant = np.zeros(labels.shape)
    assert auroc(constant, labels) == 0.5
    assert average_precision(constant, labels) == pytest.approx(1 / 3)
    assert f1_max(constant, labels) == pytest.approx(0.5)


def test_only_the_order_of_scores_counts():
    scores, labels = scored(1, 501, None)
    for metric in (auroc, average_precision, f1_max):
        assert metric(np.exp(3 * scores) * 100, labels) == metric(scores, labels)


def test_images_of_different_sizes_are_pooled():
    maps = [np.array([[0.1, 0.9, 0.2]]), np.array([[0.8], [0.3]])]
    masks = [np.array([[False, True, False]]), np.array([[False], [True]])]
    assert auroc(maps, masks) == pytest.approx(5 / 6)


@pytest.mark.parametrize("metric", [auroc, average_precision, f1_max])
def test_without_a_defect_they_are_nan_and_say_so(metric):
    with pytest.warns(UserWarning, match="undefined here: it needs"):
        assert np.isnan(metric([0.1, 0.2], [False, False]))


def test_auroc_without_a_good_one_is_nan_while_precision_is_perfect():
    with pytest.warns(UserWarning, match="both classes"):
        assert np.isnan(auroc([0.1, 0.2], [True, True]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert average_precision([0.1, 0.2], [True, True]) == 1


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2), bool), r"shapes \(2, 3\), labels \(3, 2\)"),
        ([0.0, np.nan], [True, False], "1 of 2 scores are NaN"),
        ([0.0, 1.0], [0, 255], "other than 0 and 1"),
    ],
)
def test_what_cannot_be_ranked_is_an_error(scores, labels, message):
    with pytest.raises(EvalError, match=message):
        auroc(scores, labels)
