"""DAS3D-style on small plates: small networks, trained for a moment."""

import numpy as np
import pytest
import torch

from eval import detectors
from eval.detectors.das3d_style.detector import largest_mean
from synth.errors import EvalError
from tests.eval.detectors.scenes import GOOD, plate

QUICK = {"side": 32, "batch": 4, "learning_rate": 5e-3}


@pytest.fixture(scope="module", params=["das3d_like", "physical"])
def fitted(request):
    return detectors.create("das3d_style", steps=20, defects=request.param, **QUICK).fit(GOOD[:4])


def test_losses_are_finite_and_fall(fitted):
    assert bool(fitted.losses.isfinite().all())
    first, last = fitted.losses[:4].mean(0), fitted.losses[-4:].mean(0)
    assert bool((last[:2] < 0.5 * first[:2]).all())
    assert last.sum() < 0.5 * first.sum()


def test_maps_are_probabilities_at_the_size_of_each_scan(fitted):
    found = fitted.predict([plate(20, stain=True), plate(21, size=(40, 72))])
    assert [one.shape for one in found.anomaly_map] == [(64, 64), (40, 72)]
    assert all(0 <= one.min() <= one.max() <= 1 for one in found.anomaly_map)
    assert set(found.parts) == {"image_error", "depth_error"}


def test_what_was_not_good_is_reconstructed_worse_in_the_modality_that_shows_it(fitted):
    found = fitted.predict([plate(20), plate(21, stain=True), plate(22, dent=True)])
    assert found.parts["image_error"].argmax() == 1
    assert found.parts["depth_error"].argmax() == 2


def test_the_score_is_the_largest_mean_of_a_window_that_grows_with_the_image():
    spot = torch.zeros(2, 256, 256)
    spot[0, :21, :21] = 1
    spot[1, 100:121, 100:121] = 0.5
    assert largest_mean(spot) == pytest.approx(torch.tensor([1.0, 0.5]))
    assert largest_mean(torch.eye(8)[None]) == pytest.approx(torch.ones(1))


@pytest.mark.parametrize(
    ("params", "said"),
    [({"dropout": (0, 0, 0)}, "not all 0"), ({"types": ("dint",)}, "dent"), ({"types": ()}, "1 item")],
)
def test_what_cannot_be_drawn_is_refused_beforehand(params, said):
    with pytest.raises(EvalError, match=said):
        detectors.create("das3d_style", **params)


def test_defects_need_scans(tmp_path):
    found = detectors.create("das3d_style")
    assert found.modalities == {"image", "xyz"}
    with pytest.raises(EvalError, match="has no parameter features"):
        detectors.create("das3d_style", features="random")
    assert np.isclose(sum(found.config.dropout), 1)
