"""RADAR-style on stripes: a small predictor, trained for a moment."""

import numpy as np
import pytest
import torch

from eval import detectors
from eval.detectors.radar_style.learning import Course, draw_patches
from eval.metrics import auroc
from synth.errors import EvalError
from synth.sample import Sample

QUICK = {"side": 32, "patch": 16, "batch": 8, "learning_rate": 4e-3, "last_step": 200, "step": 100, "residual": True}


def stripes(number, blob=False):
    """A texture of stripes with noise of its own; the blob has 6 px across."""
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[:32, :32]
    grey = 120 + 60 * np.sin((columns + rng.uniform(0, 6)) * 2 * np.pi / 6) + rng.normal(0, 4, (32, 32))
    mask = np.hypot(rows - 20, columns - 11) < 3
    grey[mask & blob] = 30
    image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return Sample(f"stripes-{number}", image, mask & blob, product="stripes", defect="blob" if blob else None)


GOOD = [stripes(number) for number in range(10)]


@pytest.fixture(scope="module")
def fitted():
    return detectors.create("radar_style", steps=60, **QUICK).fit(GOOD)


def test_a_blob_is_found_by_a_predictor_that_was_trained_for_a_moment(fitted):
    shown = [stripes(number, blob=True) for number in range(50, 54)]
    found = fitted.predict([*(stripes(number) for number in range(60, 64)), *shown])
    maps = np.stack(found.anomaly_map[4:])
    assert auroc(maps.ravel(), np.stack([sample.mask for sample in shown]).ravel()) > 0.8
    assert found.score[4:].min() > found.score[:4].max()
    assert found.parts["flagged"][4:].min() > found.parts["flagged"][:4].max()


def test_the_predictor_gets_better(fitted):
    assert bool(fitted.losses.isfinite().all())
    assert fitted.losses[-10:].mean() < 0.5 * fitted.losses[:10].mean()


def test_an_image_costs_one_call_with_every_tile_in_it(fitted, monkeypatch):
    asked = []
    predict = fitted._predict
    monkeypatch.setattr(fitted, "_predict", lambda x, steps: asked.append(tuple(x.shape)) or predict(x, steps))
    fitted.predict(GOOD[:3])
    assert asked == 3 * [(9, 3, 16, 16)]
    assert fitted.operations % 9 == 0


@pytest.mark.parametrize(("noise", "matters"), [("fixed", True), ("none", False)])
def test_scores_depend_on_the_noise_of_the_seed_or_on_none(fitted, noise, matters, monkeypatch):
    monkeypatch.setattr(fitted, "config", fitted.config.model_copy(update={"noise": noise}))
    found = fitted.predict(GOOD[:2])
    np.testing.assert_array_equal(found.anomaly_map, fitted.predict(GOOD[:2]).anomaly_map)
    monkeypatch.setattr(fitted, "config", fitted.config.model_copy(update={"seed": 1}))
    assert np.array_equal(found.anomaly_map, fitted.predict(GOOD[:2]).anomaly_map) != matters


@pytest.mark.parametrize("flips", [False, True])
def test_patches_are_windows_of_the_images_and_turned_only_where_that_is_asked_for(flips):
    columns = torch.arange(24, dtype=torch.uint8).expand(5, 3, 20, 24)
    patches = draw_patches(columns, Course(8, 40, 1e-3, 0.9, 10, flips), torch.Generator().manual_seed(0))
    assert patches.shape == (40, 3, 8, 8)
    rising = (patches.diff(dim=3) > 0).all((1, 2, 3))
    assert bool(rising.all()) != flips


def test_images_smaller_than_a_patch_are_refused():
    with pytest.raises(EvalError, match="16 x 16 px, less than a patch of 32"):
        detectors.create("radar_style", side=16, patch=32, steps=1).fit(GOOD[:1])
