import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from eval.calibration import Ranked, rank_agreement
from synth.errors import EvalError


def rows(noise: float, detectors: int = 6, sets: int = 2, seed: int = 0) -> list[Ranked]:
    rng = np.random.default_rng(seed)
    found = []
    for data in range(sets):
        for number in range(detectors):
            for setting in ("128 px", "256 px"):
                real = number + 0.3 * rng.normal() - 50 * data
                found.append(Ranked(f"d{number}", setting, f"set{data}", real + noise * rng.normal() + 90 * data, real))
    return found


def test_it_is_the_mean_of_spearman_within_each_data_set():
    given = rows(noise=2)
    expected = []
    for data in ("set0", "set1"):
        own = [row for row in given if row.data == data]
        expected.append(spearmanr([row.synthetic for row in own], [row.real for row in own]).statistic)
    found = rank_agreement(given)
    assert found.spearman.value == pytest.approx(np.mean(expected))
    assert found.spearman.low <= found.spearman.value <= found.spearman.high
    assert rank_agreement(given[::-1]).spearman.value == pytest.approx(found.spearman.value)


def test_equal_ranks_agree_and_noise_says_nothing():
    same = rank_agreement(rows(noise=0))
    assert (same.spearman.value, same.regret, same.detectors) == (pytest.approx(1), 0, 6)
    nothing = [rank_agreement(rows(noise=1e6, seed=seed)) for seed in range(4)]
    assert sum(one.spearman.low < 0 < one.spearman.high for one in nothing) >= 3
    assert np.mean([one.regret for one in nothing]) > 0.5


def test_three_or_four_detectors_in_one_order_are_no_evidence():
    assert rank_agreement(rows(0, detectors=4)).spearman.low == 0
    assert rank_agreement(rows(0, detectors=5)).spearman.low > 0


def test_regret_is_what_choosing_by_synthetic_defects_loses():
    figures = {"a": (0.9, 0.7), "b": (0.8, 0.8), "c": (0.5, 0.6)}
    given = [Ranked(name, "", "set", synthetic, real) for name, (synthetic, real) in figures.items()]
    assert rank_agreement(given).regret == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "0 detectors, wanted at least 3"),
        (rows(0, detectors=2), "2 detectors, wanted at least 3"),
        ([Ranked(name, "", "set", 0.5, 0.1 * i) for i, name in enumerate("abc")], "the same figure"),
        ([Ranked(name, "", "set", 0.5 * i, math.nan) for i, name in enumerate("abc")], "NaN"),
    ],
)
def test_what_cannot_be_compared_is_nan_with_its_reason(given, reason):
    found = rank_agreement(given)
    assert math.isnan(found.spearman.value)
    assert math.isnan(found.regret)
    assert reason in found.reason
    assert reason in str(found)


def test_a_detector_twice_or_missing_on_a_set_is_an_error():
    given = rows(0)
    for wrong in (given[1:], [*given, given[0]]):
        with pytest.raises(EvalError, match="wanted each once on each set"):
            rank_agreement(wrong)
