"""The forest as tensors against scikit-learn's own."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import IsolationForest

from eval.detectors.radar_style.forest import Forest, decisions, fit_forest


def rows(count, seed=0, columns=2):
    return torch.randn(count, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("contamination", ["auto", 0.05])
@pytest.mark.parametrize("count", [2, 3, 40, 700])
def test_decisions_are_those_of_scikit_learn(count, contamination):
    good, fresh = rows(count), 2 * rows(500, 1)
    forest = fit_forest(good, 20, contamination, seed=4)
    wanted = IsolationForest(n_estimators=20, contamination=contamination, random_state=4).fit(good.numpy())
    for each in (good, fresh):
        found = decisions(forest, each).numpy()
        np.testing.assert_allclose(found, wanted.decision_function(each.numpy()), rtol=0, atol=1e-12)


def test_fresh_good_rows_are_flagged_about_as_often_as_was_asked_for():
    forest = fit_forest(rows(600), 50, 0.05, seed=0)
    assert float((decisions(forest, rows(600, 1)) < 0).double().mean()) <= 0.05 + 0.03
    assert bool((decisions(forest, rows(20, 2) + 8) < 0).all())


def test_a_forest_of_one_row_tells_nothing_apart():
    assert decisions(fit_forest(rows(1), 5, "auto", 0), rows(7)).tolist() == [0.0] * 7


def test_a_forest_is_its_tensors():
    forest = fit_forest(rows(64), 10, "auto", seed=1)
    again = Forest(**forest.to_tensors())
    assert torch.equal(decisions(again, rows(9, 3)), decisions(forest, rows(9, 3)))
