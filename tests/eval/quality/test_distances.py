import numpy as np
import pytest
from scipy import linalg

from eval.quality import frechet_distance, kid, precision_recall, squared_mmd
from eval.quality.distances import kernel, kid_difference
from eval.quality.diversity import intra_cluster_diversity, standardised
from synth.errors import EvalError


def features(seed: int, n: int, d: int = 7, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, d)) + shift).astype(np.float32)


def longhand_mmd(x, y):
    """Every pair in turn, in Python's own numbers."""

    def k(a, b):
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    xx = [k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    yy = [k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    xy = [k(a, b) for a in x for b in y]
    return sum(xx) / len(xx) + sum(yy) / len(yy) - 2 * sum(xy) / len(xy)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_kid_equals_a_sum_over_all_pairs(shift):
    x, y = features(0, 23), features(1, 17, shift=shift)
    assert kid(x, y).value == pytest.approx(longhand_mmd(x, y), abs=1e-6)


def test_kid_is_unbiased_and_the_biased_one_is_not():
    values, biased = [], []
    for seed in range(200):
        x, y = features(2 * seed, 12), features(2 * seed + 1, 12)
        values.append(squared_mmd(kernel(x, x), kernel(y, y), kernel(x, y)))
        biased.append(kernel(x, x).mean() + kernel(y, y).mean() - 2 * kernel(x, y).mean())
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert np.mean(biased) > 3 * error


def test_two_halves_of_one_set_agree_and_another_set_does_not():
    rng = np.random.default_rng(3)
    real = features(5, 160)
    order = rng.permutation(160)
    other = features(6, 80, shift=0.5)
    first, second = real[order[:80]], real[order[80:]]
    a, b = kid(other, first), kid(other, second)
    assert max(a.low, b.low) < min(a.high, b.high)
    assert kid(first, second).low < 0 < kid(first, second).high
    assert kid(other, first).evidence == "helps"


def test_the_interval_of_kid_covers_the_truth_at_about_its_rate():
    x, y = features(100, 1500, 3, 0.3), features(101, 1500, 3)
    truth = squared_mmd(kernel(x, x), kernel(y, y), kernel(x, y))
    found = [kid(features(2 * s, 40, 3, 0.3), features(2 * s + 1, 40, 3), seed=s) for s in range(100)]
    assert 0.85 <= np.mean([i.low <= truth <= i.high for i in found]) <= 1


def test_the_difference_of_two_distances_and_an_interval_without_what_they_share():
    y, x = features(0, 17), features(1, 24, shift=0.8)
    near = x - 0.3
    gain = kid_difference(near, x, y)
    assert gain.value == pytest.approx(kid(near, y).value - kid(x, y).value)
    assert gain.high < 0
    assert gain.high - gain.low < 0.7 * (kid(x, y).high - kid(x, y).low)
    assert kid_difference(x, x, y).value == kid_difference(x, x, y).high == 0
    with pytest.raises(EvalError, match="row by row"):
        kid_difference(near[:9], x, y)


def test_the_interval_of_a_difference_covers_the_truth_at_about_its_rate():
    def drawn(seed, n):
        base, own = features(2 * seed, n, 3), features(2 * seed + 7001, n, 3)
        return base + 0.3, base + 0.2 * own

    y, (x, z) = features(101, 1500, 3), drawn(50, 1500)
    within, across = kernel(x, x) - kernel(z, z), kernel(x, y) - kernel(z, y)
    truth = squared_mmd(within, np.zeros_like(within), across)
    found = [kid_difference(*drawn(s, 40), features(2 * s + 1, 40, 3), seed=s) for s in range(100)]
    assert 0.85 <= np.mean([i.low <= truth <= i.high for i in found]) <= 1


def test_the_frechet_distance_equals_the_formula():
    x, y = features(0, 60), 1.3 * features(1, 50, shift=0.4)
    product = linalg.sqrtm(np.cov(x.T) @ np.cov(y.T)).real
    wanted = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * product)
    assert frechet_distance(x, y) == pytest.approx(wanted, rel=1e-5)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-5)


def test_few_images_in_many_dimensions_are_warned_about():
    with pytest.warns(UserWarning, match="9 images in 12 dimensions"):
        frechet_distance(features(0, 9, 12), features(1, 40, 12))


@pytest.mark.parametrize(("y", "message"), [(features(1, 3), "at least 4 each"), (features(1, 9, 5), "of one network")])
def test_sets_that_have_no_distance_are_an_error(y, message):
    for distance in (kid, frechet_distance):
        with pytest.raises(EvalError, match=message):
            distance(features(0, 9), y)


def test_precision_falls_with_strangers_and_recall_with_missing_kinds():
    real = np.concatenate([features(0, 40), features(1, 40, shift=9.0)])
    same = np.concatenate([features(2, 40), features(3, 40, shift=9.0)])
    precision, recall = precision_recall(same, real)
    assert min(precision, recall) > 0.7
    assert precision_recall(same[:40], real)[1] < 0.55
    assert precision_recall(np.concatenate([same, features(4, 80, shift=-20.0)]), real)[0] < 0.55
    with pytest.raises(EvalError, match="k = 3"):
        precision_recall(same[:3], real)


def test_diversity_is_nought_for_repeated_shots_and_that_of_the_shots_for_new_ones():
    shots = features(0, 6)
    assert intra_cluster_diversity(np.repeat(shots, 4, axis=0), shots) == pytest.approx(0, abs=1e-6)
    close = np.repeat(shots, 20, axis=0) + 0.1 * features(1, 120)
    new = features(2, 120)
    assert 0.05 < intra_cluster_diversity(close, shots) < 0.3 < intra_cluster_diversity(new, shots)
    assert np.isnan(intra_cluster_diversity(shots, shots))
    with pytest.raises(EvalError, match="0 generated"):
        intra_cluster_diversity(shots[:0], shots)


def test_a_dimension_that_is_dead_among_the_shots_does_not_drown_the_others():
    rng = np.random.default_rng(8)
    shots, same, dead = rng.normal(size=(60, 40)), rng.normal(size=(60, 40)), np.arange(40) == 7
    shots, same = (np.where(dead, scale * features, features) for features, scale in ((shots, 1e-6), (same, 0.5)))
    theirs, ours = standardised(shots, same)
    assert np.abs(theirs[:, ~dead].std(0) - 1).max() < 1e-6
    assert 0.5 < ours[:, dead].std() < 4
    assert kid(ours, theirs).value < 0.5
    assert not standardised(np.ones((5, 3)), np.zeros((5, 3)))[1].any()
