import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from eval import detectors
from eval.detectors import detector as base
from eval.detectors import encoding
from synth.errors import EvalError
from synth.sample import Sample

TOLERANCE = {"image": 1e-5, "xyz": 1e-5, "image+xyz": 1e-4}  # ranks multiply what the last bit changes
DENT, STAIN = (slice(24, 34), slice(40, 50)), (slice(6, 16), slice(10, 20))
MODALITIES = [*TOLERANCE]


@dataclass(frozen=True)
class Heights:
    """Stands for the features of points: the height of every 17th point, beside two constants."""

    levels: list[torch.Tensor]
    centres: torch.Tensor
    index: torch.Tensor
    curvature: torch.Tensor | None


@dataclass(frozen=True)
class HeightNetwork:
    name: str = "heights"
    identity: str = "heights"

    def tokens(self, points: torch.Tensor) -> Heights:
        index = torch.arange(0, len(points), 17)
        heights = 100 * (points[index, 2:] - 0.5)
        level = torch.cat([torch.ones_like(heights), heights, heights.square()], 1)
        return Heights([level], points[index], index, torch.linspace(0, 0.02, len(index)))


@pytest.fixture(autouse=True)
def point_network(monkeypatch):
    monkeypatch.setattr(base, "point_network", lambda *_: HeightNetwork())


def sample(number: int, stain: bool = False, dent: bool = False) -> Sample:
    rng = np.random.default_rng(number)
    image = np.tile(np.arange(64) % 16 * 8 + 60, (48, 1))[..., None] + rng.integers(0, 9, (48, 64, 3))
    rows, columns = np.mgrid[:48, :64] / 1000
    xyz = np.stack([columns, rows, 0.5 + rng.normal(0, 2e-4, (48, 64))], -1).astype(np.float32)
    if stain:
        image[STAIN] = (200, 20, 30)
    if dent:
        xyz[(*DENT, 2)] += 0.004
    return Sample(
        id=f"part-{number:02}", image=image.astype(np.uint8), xyz=xyz, product="part", defect=None, split="test"
    )


def scene(count: int = 9, stained: int = 3, dented: int = 7) -> list[Sample]:
    return [sample(number, number == stained, number == dented) for number in range(count)]


def created(**params):
    return detectors.create("musc", **{"features": "random", "side": 64, "cell": 4} | params)


def tried(modality: str, samples: list[Sample], **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return created(modality=modality, **params).fit_predict(samples)


@pytest.mark.parametrize(("modality", "found"), [("image", {3}), ("xyz", {7}), ("image+xyz", {3, 7})])
def test_a_stain_is_seen_in_the_image_a_dent_in_the_points_and_both_in_both(modality, found):
    result = tried(modality, scene())
    raw = result.parts["raw"]
    assert set(np.argsort(-raw)[: len(found)]) == found
    assert raw[sorted(found)].min() > 1.3 * np.delete(raw, sorted(found)).max()
    for number, place in ((3, STAIN), (7, DENT)):
        if number in found:
            mask = np.zeros((48, 64), bool)
            mask[place] = True
            anomaly_map = result.anomaly_map[number]
            assert anomaly_map.shape == (48, 64)
            assert mask[np.unravel_index(anomaly_map.argmax(), mask.shape)]


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_image_of_the_pool_is_scored_by_the_others_as_within_the_set(modality):
    samples = scene()
    together = tried(modality, samples)
    with pytest.warns(UserWarning, match="9 images"):
        apart = created(modality=modality).fit(samples).predict(samples)
    assert np.allclose(apart.score, together.score, atol=TOLERANCE[modality])
    assert np.allclose(apart.anomaly_map, together.anomaly_map, atol=TOLERANCE[modality])


@pytest.mark.parametrize("modality", MODALITIES)
def test_order_and_batches_do_not_count(modality, monkeypatch):
    samples = scene()
    expected = tried(modality, samples)
    monkeypatch.setattr(encoding, "BATCH", 5)
    turned = tried(modality, samples[::-1])
    assert turned.ids == expected.ids[::-1]
    assert np.allclose(turned.score[::-1], expected.score, atol=TOLERANCE[modality])
    assert np.allclose(turned.anomaly_map[::-1], expected.anomaly_map, atol=TOLERANCE[modality])


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_loaded_pool_scores_as_the_fitted_one_and_each_image_alone_as_among_others(modality, tmp_path):
    detector = created(modality=modality).fit(scene())
    asked = [sample(30), sample(31, stain=True, dent=True), sample(3, stain=True)]
    expected = detector.predict(asked)
    detector.save(tmp_path / "saved")
    loaded = detectors.load(tmp_path / "saved")
    assert np.array_equal(loaded.predict(asked).score, expected.score)
    assert loaded.predict(asked[1:2]).score[0] == pytest.approx(expected.score[1], abs=1e-6)
    assert expected.parts["raw"][1] > 1.3 * expected.parts["raw"][0]


@pytest.mark.parametrize(
    "params",
    [
        {"agg3d": "repo"},
        {"repo_norm": True},
        {"repo_corners": True},
        {"pos_radius": 2},
        {"groups": 40},
        {"degrees": (1,)},
        {"share": 1.0},
    ],
)
def test_every_option_finds_both_defects(params):
    raw = tried("image+xyz", scene(), **params).parts["raw"]
    assert set(np.argsort(-raw)[:2]) == {3, 7}


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_images_give_finite_scores_and_a_warning(modality, count):
    with pytest.warns(UserWarning, match=f"scores {count} images by each other"):
        result = created(modality=modality).fit_predict(scene(count, 1, 1))
    assert np.isfinite(result.score).all()


def test_twenty_images_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        created(modality="image").fit_predict(scene(20))


def test_equal_images_score_nothing():
    image = sample(0).image
    same = [Sample(id=str(k), image=image, product="part", split="test") for k in range(6)]
    result = tried("image", same)
    assert (result.score == 0).all()
    assert (result.parts["raw"] == 0).all()


@pytest.mark.parametrize("samples", [[sample(0)], [sample(0), sample(0)]])
def test_one_image_is_refused_even_where_it_is_given_twice(samples):
    with pytest.raises(EvalError, match="was given one"):
        created().fit_predict(samples)


@pytest.mark.parametrize(
    ("params", "told"), [({"degrees": (1, 4)}, "odd"), ({"neighbours": (0,)}, "from 1"), ({"share": 0}, "share")]
)
def test_wrong_settings_are_refused_by_name(params, told):
    with pytest.raises(EvalError, match=told):
        created(**params)


@pytest.mark.parametrize("name", ["musc/mvtec3d", "musc/eyecandies"])
def test_the_published_settings_have_names(name):
    detector = detectors.create(name, points="point_mae:pretrain.pth")
    assert detector.transductive
    assert detector.modalities == {"image", "xyz"}
    assert detector.config.levels == (3, 7, 11)
