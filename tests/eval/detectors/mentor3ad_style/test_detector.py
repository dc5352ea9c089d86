import pytest
import torch
from torch.nn.functional import gelu, linear, normalize

from eval import detectors
from eval.detectors import training
from eval.detectors.smoothing import smoothed
from tests.eval.detectors.scenes import GOOD, plate

FIELDS = {
    "features": "random",
    "side": 64,
    "points": "xyz_stats",
    "steps": 20,
    "fusion_steps": 10,
    "hidden": 32,
    "joint": 16,
    "expansion": 1,
    "batch": 64,
}


@pytest.fixture(scope="module")
def fitted():
    return detectors.create("mentor3ad_style", **FIELDS).fit(GOOD[:4])


def cfm(layers, source, target):
    """CFM: three layers from one modality to the other, and how far off they are."""
    for number in (0, 2, 4):
        source = linear(source, layers[number].weight[:, : source.shape[-1]], layers[number].bias)
        source = gelu(source) if number < 4 else source
    return (normalize(source, dim=-1) - normalize(target, dim=-1)).norm(dim=-1)


def test_without_the_mentor_it_is_cfm_of_the_same_widths(fitted):
    encoded = next(fitted.encoder.batches([GOOD[0], plate(60, stain=True)]))
    image, points, valid = fitted._parts(encoded)
    image, points = image / fitted._spread[0], points / fitted._spread[1]
    networks = fitted._guidance
    maps = cfm(networks.to_points, image, points) * cfm(networks.to_image, points, image) * valid
    maps = smoothed(maps, 4.69 / 8)
    roots = torch.stack([one[one > 0].mean().sqrt() for one in maps])[:, None, None]
    last = fitted._fusion.mentor[-1]
    kept = {name: value.clone() for name, value in last.state_dict().items()}
    try:
        for parameter in last.parameters():
            parameter.zero_()
        judged = fitted._judge(encoded)
    finally:
        last.load_state_dict(kept)
    torch.testing.assert_close(judged.maps, maps / roots, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(judged.score, (maps / roots).flatten(1).amax(1), rtol=1e-5, atol=1e-5)
    assert not torch.equal(fitted._judge(encoded).maps, judged.maps)


def test_cells_without_points_are_zero_and_teach_nothing(fitted):
    blank = detectors.create("mentor3ad_style", **FIELDS)
    blank._encoder = fitted.encoder
    first = next(fitted.encoder.batches(GOOD[:4]))
    image, points, valid = fitted._parts(first)
    valid[:, :3] = False
    states = []
    for factor in (1, -9):
        changed = torch.where(valid[..., None], points, factor * points), torch.where(valid[..., None], image, factor)
        blank._parts = lambda _encoded, changed=changed: (changed[1], changed[0], valid)
        blank._learn(iter([first]))
        states.append(blank.state())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    assert (blank._judge(first).maps >= 0).all()
    blank.config = blank.config.model_copy(update={"sigma": 0.0})
    assert (blank._judge(first).maps[~valid] == 0).all()


def test_the_score_of_the_product_is_always_told(fitted):
    shown = [GOOD[0], plate(60, stain=True)]
    usual = fitted.predict(shown)
    other = detectors.create("mentor3ad_style", **FIELDS, vm="sum").fit(GOOD[:4]).predict(shown)
    assert (usual.parts["product"] == usual.score).all()
    assert (other.parts["product"] == usual.score).all()
    assert (other.score != usual.score).all()


def test_a_training_that_was_stopped_in_either_stage_ends_with_the_same_weights(fitted, tmp_path, monkeypatch):
    detector = detectors.create("mentor3ad_style", **FIELDS)
    detector.folder = tmp_path
    real, steps = training.Descent.step, []

    def stopping(self, step, batch):
        steps.append(step)
        if len(steps) in (6, 25):
            raise KeyboardInterrupt
        real(self, step, batch)

    monkeypatch.setattr(training.Descent, "step", stopping)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            detector.fit(GOOD[:4])
    detector.fit(GOOD[:4])
    assert len(steps) < 40
    for name, value in fitted.state().items():
        assert torch.equal(detector.state()[name], value), name


def test_it_says_that_it_is_a_reconstruction():
    assert detectors.create("mentor3ad_style").reconstructed
    assert not detectors.create("g2sf").reconstructed
