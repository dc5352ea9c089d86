from functools import partial

import pytest
import torch

from eval.detectors.best_weights import Course, seeded
from eval.detectors.g2sf import fitting, losses
from eval.detectors.g2sf.fitting import fitted
from eval.detectors.g2sf.metric import Metric
from eval.metrics import auroc
from synth.errors import EvalError
from tests.eval.detectors.g2sf.scenes import WIDTHS, banks, mined

KNOWN = banks()


@pytest.fixture(scope="module")
def trained():
    return fitted(KNOWN, mined(KNOWN, 2400, 600, 1), Course("g2sf", 60, 0), 1e-3, 64)


def measured(metric, cells):
    with torch.no_grad():
        return metric(cells.cells, KNOWN.prototypes(cells.rows[:, 0]))


def test_training_tells_anomalies_off_the_ring_better_than_distances_do(trained):
    shown = mined(KNOWN, 600, 200, 70)
    found = measured(trained, shown)
    plain = auroc(found.plain.mean(1).numpy(), shown.anomalous.numpy())
    assert auroc(found.local.numpy(), shown.anomalous.numpy()) >= plain


def test_features_that_do_not_belong_together_get_larger_factors(trained):
    shown = mined(KNOWN, 600, 0, 80)
    prototypes = KNOWN.prototypes(shown.rows[:, 0])
    torch.manual_seed(0)
    before = seeded(partial(Metric, WIDTHS, trained.typical), 0).eval()
    with torch.no_grad():
        foreign = losses.mismatched(shown.cells, prototypes, WIDTHS)
        after, first = trained(*foreign).factors.mean(), before(*foreign).factors.mean()
        own = trained(shown.cells, prototypes).factors.mean()
    assert after > first
    assert after > own


def test_a_training_that_was_stopped_ends_with_the_same_weights(tmp_path, monkeypatch):
    cells, whole = mined(KNOWN, 300, 60, 1), fitted(KNOWN, mined(KNOWN, 300, 60, 1), Course("g2sf", 12, 0), 1e-3, 16)
    course, real, calls = Course("g2sf", 12, 0, tmp_path), fitting.total_loss, []

    def stopping(*args):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(fitting, "total_loss", stopping)
    with pytest.raises(KeyboardInterrupt):
        fitted(KNOWN, cells, course, 1e-3, 16)
    resumed = fitted(KNOWN, cells, course, 1e-3, 16)
    assert len(calls) == 8 + 5
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    with pytest.raises(EvalError, match="belongs to a training with another"):
        fitted(KNOWN, mined(KNOWN, 300, 60, 2), course, 1e-3, 16)


@pytest.mark.parametrize(("normal", "anomalous"), [(60, 0), (0, 60)])
def test_cells_of_one_kind_alone_are_refused(normal, anomalous):
    with pytest.raises(EvalError, match="cover no cell with points, or all"):
        fitted(KNOWN, mined(KNOWN, normal, anomalous, 1), Course("g2sf", 2, 0), 1e-3, 16)
