import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from eval.metrics import Decisions, ScoreHistogram, best_f1_threshold, decide, f1_max, threshold_of_good
from synth.errors import EvalError

TIED = arrays.arrays(np.int8, st.integers(2, 30), elements=st.integers(0, 5))


def random_labels(scores, random):
    labels = np.array([random.random() < 0.5 for _ in scores])
    labels[0], labels[-1] = True, False
    return labels


@given(TIED, st.integers(0, 5), st.randoms())
@settings(max_examples=60, deadline=None)
def test_decisions_equal_scikit_learn(scores, threshold, random):
    labels = random_labels(scores, random)
    found, called = decide(scores, labels, threshold), scores >= threshold
    assert found.recall() == pytest.approx(recall_score(labels, called))
    assert found.specificity() == pytest.approx(recall_score(~labels, ~called))
    assert found.accuracy() == pytest.approx(accuracy_score(labels, called))
    assert found.f1() == pytest.approx(f1_score(labels, called))
    assert found.all_positive_f1() == pytest.approx(f1_score(labels, np.ones_like(called)))
    if called.any():
        assert found.precision() == pytest.approx(precision_score(labels, called))


@pytest.mark.parametrize(
    ("decisions", "undefined"),
    [
        (Decisions(0, 0, 0, 5), {"precision", "recall", "f1", "all_positive_f1"}),
        (Decisions(0, 2, 0, 5), {"recall", "f1", "all_positive_f1"}),
        (Decisions(3, 0, 1, 0), {"specificity"}),
        (Decisions(0, 0, 4, 3), {"precision"}),
        (Decisions(0, 0, 0, 0), {"precision", "recall", "specificity", "accuracy", "f1", "all_positive_f1"}),
    ],
)
@pytest.mark.filterwarnings("ignore:.* is undefined here")
def test_what_there_is_nothing_to_measure_on_is_nan(decisions, undefined):
    names = ("precision", "recall", "specificity", "accuracy", "f1", "all_positive_f1")
    assert {name for name in names if math.isnan(getattr(decisions, name)())} == undefined


def test_an_undefined_figure_says_what_it_needs():
    with pytest.warns(UserWarning, match="recall is undefined here: it needs a defect"):
        Decisions(0, 0, 0, 5).recall()


@given(TIED, st.randoms(), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=60, deadline=None)
def test_the_best_threshold_reaches_f1_max_and_lies_between_scores(scores, random, kind):
    labels, values = random_labels(scores, random), scores.astype(kind) / 7
    threshold = best_f1_threshold(values, labels)
    assert decide(values, labels, threshold).f1() == pytest.approx(f1_max(values, labels))
    lower, higher = values[values < threshold], values[values >= threshold]
    assert not lower.size or threshold == pytest.approx((lower.max() + higher.min()) / 2)


def test_with_a_prevalence_the_number_of_each_class_does_not_matter():
    rng = np.random.default_rng(0)
    good, defects = rng.normal(size=31), rng.normal(1.5, 1, size=17)
    once = best_f1_threshold(np.append(good, defects), np.arange(48) >= 31, prevalence=0.5)
    many = np.append(good, np.tile(defects, 50))
    assert best_f1_threshold(many, np.arange(many.size) >= 31, prevalence=0.5) == pytest.approx(once)
    assert best_f1_threshold(many, np.arange(many.size) >= 31) < once


@pytest.mark.parametrize("labels", [[False, False], [True, True]])
def test_a_best_threshold_needs_both_classes(labels):
    with pytest.raises(EvalError, match="choose no threshold; give both"):
        best_f1_threshold([0.0, 1.0], labels, prevalence=0.5)


@given(
    arrays.arrays(np.float32, st.integers(1, 60), elements=st.floats(-5, 5, width=16)),
    st.sampled_from([0.2, 0.5, 0.95, 0.995, 1.0]),
)
@settings(max_examples=80, deadline=None)
def test_a_threshold_of_good_lets_the_share_pass_and_no_lower_one_does(scores, share):
    for values in (scores, scores.astype(np.float64), scores.tolist()):
        threshold = threshold_of_good(values, share)
        called = decide(values, np.zeros(len(scores), bool), threshold)
        assert called.tn >= share * scores.size - 1e-9
        lower = scores[scores < np.float64(threshold)].max()
        assert (scores < lower).sum() < share * scores.size


def test_no_more_new_good_ones_lie_above_it_than_it_says():
    rng = np.random.default_rng(3)
    n, share = 99, 0.95
    above = [(rng.normal(size=2000) >= threshold_of_good(rng.normal(size=n), share)).mean() for _ in range(300)]
    assert np.mean(above) == pytest.approx(1 - math.ceil(share * n) / (n + 1), abs=0.005)


@pytest.mark.parametrize(("scores", "share"), [([], 0.9), ([0.0, np.nan], 0.9), ([0.0], 0.0), ([0.0], 99.5)])
def test_a_threshold_of_good_needs_scores_and_a_share(scores, share):
    with pytest.raises(EvalError, match=r"a threshold needs|wanted more than 0"):
        threshold_of_good(np.array(scores), share)


def test_a_histogram_gives_the_threshold_of_good_to_a_bin():
    rng = np.random.default_rng(5)
    scores, histogram = rng.uniform(size=(50, 70)), ScoreHistogram(0, 1, 1000)
    histogram.add(scores, np.zeros(scores.shape, bool))
    for share in (0.5, 0.995, 1.0):
        assert 0 <= histogram.threshold_of_good(share) - threshold_of_good(scores, share) <= 1.001e-3
    with pytest.raises(EvalError, match="defect-free pixels"):
        ScoreHistogram(0, 1).threshold_of_good()
