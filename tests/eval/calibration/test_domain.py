import numpy as np
import pytest

from eval.calibration import check_domain, shuffled_control
from eval.metrics import auroc


def drawn(seed: int, n: int = 60, m: int = 90, gap: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(gap, 1, size=m)


@pytest.mark.parametrize("kind", ["smooth", "tied", "few", "skewed", "many synthetic"])
def test_shuffled_scores_abstain_in_at_least_19_of_20(kind):
    for seed in range(5):
        good, synthetic = drawn(seed, gap=4)
        if kind == "tied":
            good, synthetic = np.round(good), np.round(synthetic)
        elif kind == "few":
            good, synthetic = good[:6], synthetic[:7]
        elif kind == "skewed":
            good, synthetic = np.exp(2 * good), np.exp(2 * synthetic)
        elif kind == "many synthetic":
            good = good[:15]
        assert not check_domain(good, synthetic).reasons
        assert shuffled_control(good, synthetic, seed) >= 19


def test_defects_that_the_detector_does_not_see_abstain():
    good, synthetic = drawn(0, gap=0)
    (reason,) = check_domain(good, synthetic).reasons
    assert reason.startswith("synthetic defects do not score above good images: AUROC 0.")
    assert check_domain(good, good - 1, kind="Perlin").reasons[0].startswith("Perlin defects do not")


def test_scores_that_are_all_equal_or_too_few_abstain():
    assert check_domain(np.zeros(20), np.zeros(30)).reasons
    found = check_domain(np.zeros(3), np.ones(3))
    assert (found.auroc, len(found.reasons)) == (1, 1)
    assert found.p_value == pytest.approx(1 / 20, abs=0.02)


@pytest.mark.parametrize(("gap", "side"), [(9, "above"), (1.2, "below")])
def test_defects_far_from_the_real_shots_abstain_on_either_side(gap, side):
    good, synthetic = drawn(1, gap=gap)
    shots = np.random.default_rng(2).normal(5, 1, size=6)
    (reason,) = check_domain(good, synthetic, shots).reasons
    assert reason.startswith(f"synthetic defects score {side} the real shots")


@pytest.mark.parametrize("shots", [1, 3, 30])
def test_defects_like_the_real_shots_do_not_abstain(shots):
    abstained = 0
    for seed in range(20):
        good, synthetic = drawn(seed, gap=3)
        abstained += bool(check_domain(good, synthetic, synthetic[:shots] + 0.3, seed).reasons)
    assert abstained <= 1


def test_only_the_order_of_scores_counts():
    good, synthetic = drawn(4)
    plain, steep = (check_domain(f(good), f(synthetic), f(synthetic[:4])) for f in (lambda s: s, np.exp))
    assert plain == steep
    assert plain.auroc == auroc(np.append(good, synthetic), np.arange(150) >= 60)
