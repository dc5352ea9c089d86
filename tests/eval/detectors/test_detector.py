"""What holds for every detector, swept over the registry."""

import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
import torch

from eval import detectors
from eval.detectors import training
from eval.detectors.registry import DETECTORS, PRESETS, kind
from eval.features import network as networks
from synth.errors import EvalError, WriterError
from tests.eval.detectors.scenes import DEFECTS, GOOD, plate

SMALL = {"features": "random", "side": 64}
BRIEF: dict[str, dict[str, Any]] = {
    "das3d_style": {"side": 32, "steps": 3, "batch": 2},
    "g2sf": {"composites": 6, "steps": 4, "ranks": 1, "anchors": 1},
    "glfm": {"side": 32, "groups": 128, "size": 16, "steps": 3, "share": 1.0, "blocks": (0,), "sigma": 1.0},
    "mentor3ad_style": {
        "steps": 80,
        "fusion_steps": 10,
        "rate": 5e-3,
        "batch": 64,
        "expansion": 1,
        "joint": 16,
        "hidden": 64,
    },
    "radar_style": {"side": 32, "patch": 16, "steps": 6, "batch": 8},
    "vote3deep": {"steps": 30, "width": 4, "last": 3, "learning_rate": 0.03},
}
"""Parameters of those that train a network, so that it takes moments."""
UNTAUGHT = {"das3d_style", "radar_style"}
"""Those that moments teach too little to find a defect; their own tests say what they learn."""


def modalities(name):
    field = kind(name).Config.model_fields.get("modality")
    return ("+".join(sorted(detectors.create(name).modalities)),) if field is None else get_args(field.annotation)


MODALITIES = [(name, modality) for name in DETECTORS for modality in modalities(name)]
INDUCTIVE = [name for name in DETECTORS if not kind(name).transductive]


def made(name, modality=None, **params):
    """A small one, of the first modality that it has by default."""
    modality = modality or modalities(name)[0]
    fields = kind(name).Config.model_fields
    chosen = {"modality": modality, "points": "xyz_stats"} if "modality" in fields and modality != "image" else {}
    given = SMALL | chosen | BRIEF.get(name, {}) | params
    return detectors.create(name, **{key: given[key] for key in given if key in fields})


def learnt(detector, good=GOOD, defects=DEFECTS):
    return detector.fit(good, defects) if detector.learns_from_defects else detector.fit(good)


@cache
def fitted(name, modality=None):
    """A detector that several tests share; a transductive one learns nothing beforehand."""
    detector = made(name, modality)
    return detector if detector.transductive else learnt(detector)


def judged(detector, samples):
    if detector.transductive:
        return detector.fit_predict([*GOOD, *samples])
    return detector.predict([*GOOD[-2:], *samples])


@pytest.fixture(params=MODALITIES, ids=lambda one: f"{one[0]}, {one[1]}")
def case(request):
    return request.param


def test_a_defect_that_a_modality_shows_is_found_where_it_is(case):
    name, modality = case
    if name in UNTAUGHT:
        pytest.skip("has hardly been trained")
    shown = plate(90, dent=modality == "xyz", stain=modality != "xyz")
    found = judged(fitted(name, modality), [shown])
    assert found.ids[-1] == shown.id
    assert found.score.argmax() == len(found.score) - 1
    scored = found.anomaly_map[-1]
    assert scored.shape == shown.mask.shape
    row, column = np.unravel_index(scored.argmax(), scored.shape)
    near = np.zeros_like(shown.mask)
    near[max(0, row - 8) : row + 9, max(0, column - 8) : column + 9] = True
    assert (near & shown.mask).any()


def test_an_image_shows_no_dent_without_colour_and_a_cloud_no_stain():
    for modality, blind in (("image", {"dent": True}), ("xyz", {"stain": True})):
        detector = fitted("patchcore", modality)
        found = judged(detector, [plate(91, **blind)])
        others = detector.predict([plate(number) for number in range(30, 36)])
        assert found.score[-1] <= 1.3 * others.score.max()


@pytest.mark.parametrize("name", INDUCTIVE)
def test_scores_depend_neither_on_the_order_nor_on_the_other_samples(name):
    shown = [plate(50), plate(51, stain=True), plate(52), plate(53)]
    one, other = fitted(name), learnt(made(name), GOOD[::-1], DEFECTS[::-1])
    first, second = one.predict(shown), other.predict(shown[::-1])
    alone = [one.predict([sample]) for sample in shown]
    np.testing.assert_allclose(first.score, second.score[::-1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first.score, [found.score[0] for found in alone], rtol=1e-5, atol=1e-6)
    for k, found in enumerate(alone):
        np.testing.assert_allclose(first.anomaly_map[k], found.anomaly_map[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", INDUCTIVE)
def test_scores_do_not_depend_on_the_number_of_threads(name):
    shown, before = [plate(50), plate(51, stain=True)], torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            # A training adds rounding errors up, a memory does not.
            detector = fitted(name) if name in BRIEF else learnt(made(name))
            found.append(detector.predict(shown).score)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_a_saved_detector_gives_identical_scores(case, tmp_path):
    name, modality = case
    if kind(name).transductive:
        pytest.skip("scores samples by each other")
    shown = [plate(60), plate(61, stain=True)]
    detector = fitted(name, modality)
    detector.save(tmp_path / "saved")
    loaded = detectors.load(tmp_path / "saved")
    wanted, found = detector.predict(shown), loaded.predict(shown)
    np.testing.assert_array_equal(found.score, wanted.score)
    for one, other in zip(found.anomaly_map, wanted.anomaly_map, strict=True):
        np.testing.assert_array_equal(one, other)
    assert {path.suffix for path in (tmp_path / "saved").iterdir()} == {".json", ".safetensors"}
    assert loaded.nbytes == detector.nbytes > 0


@pytest.mark.parametrize("name", BRIEF)
def test_an_interrupted_training_ends_with_the_weights_of_a_whole_one(name, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVED_EVERY", 0.0)

    def trained(steps, stop=None, **params):
        def progress(_name, done, _total):
            steps.append(done)
            if len(steps) == stop:
                raise KeyboardInterrupt

        detector = made(name, **params)
        detector.folder, detector.progress = tmp_path / "training", progress
        return learnt(detector)

    first, rest = [], []
    with pytest.raises(KeyboardInterrupt):
        trained(first, stop=2)
    resumed = trained(rest)
    assert rest[0] == 3
    for key, value in fitted(name).state().items():
        assert torch.equal(resumed.state()[key], value), key
    with pytest.raises(EvalError, match="belongs to a training with another"):
        trained([], seed=1)


def test_a_detector_is_loaded_in_a_process_of_its_own(tmp_path):
    shown = plate(61, stain=True)
    detector = made("patchcore").fit(GOOD)
    detector.save(tmp_path / "saved")
    np.save(tmp_path / "image.npy", shown.image)
    code = (
        "import sys, numpy as np, eval\n"
        "from synth.sample import Sample\n"
        "found = eval.detectors.load(sys.argv[1]).predict([Sample('x', np.load(sys.argv[2]))])\n"
        "print(repr(float(found.score[0])))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "saved"), str(tmp_path / "image.npy")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert float(said) == detector.predict([shown]).score[0]


@pytest.mark.parametrize("name", DETECTORS)
def test_images_of_other_sizes_get_maps_of_their_own_size(name):
    shown = [plate(70, size=(48, 80)), plate(71, size=(100, 60))]
    found = judged(fitted(name), shown)
    assert [one.shape for one in found.anomaly_map[-2:]] == [(48, 80), (100, 60)]


@pytest.mark.parametrize("name", INDUCTIVE)
def test_one_good_sample_is_enough(name):
    found = learnt(made(name), GOOD[:1]).predict([GOOD[0], plate(80, dent=True, stain=True)])
    assert np.isfinite(found.score).all()
    assert found.score[1] > found.score[0] or name in UNTAUGHT


@pytest.mark.parametrize("name", INDUCTIVE)
@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([], "was given none"),
        ([*GOOD, plate(90, stain=True)], "plate-090 is defective"),
        ([replace(GOOD[0], image=None, xyz=None)], "has no image|has no organised cloud"),
    ],
    ids=["none", "a defective one", "nothing to look at"],
)
def test_samples_that_nothing_can_be_learnt_from_are_refused(name, samples, said):
    with pytest.raises(EvalError, match=said):
        learnt(made(name), samples)


def test_a_missing_modality_is_named(case):
    name, modality = case
    if "xyz" not in modality:
        pytest.skip("looks at images alone")
    flat = [replace(sample, xyz=None) for sample in GOOD]
    with pytest.raises(EvalError, match=r"plate-000 has no organised cloud"):
        learnt(made(name, modality), flat)
    empty = replace(GOOD[0], xyz=np.zeros_like(GOOD[0].xyz))
    with pytest.raises(EvalError, match="0 valid points"):
        learnt(made(name, modality), [empty])


def test_defects_are_taken_by_those_that_learn_from_them_alone():
    with pytest.raises(EvalError, match="leave the 4 defects out"):
        made("patchcore").fit(GOOD, DEFECTS)


@pytest.mark.parametrize("name", [name for name in DETECTORS if "image" in made(name).modalities])
def test_features_that_are_no_numbers_are_named(name, monkeypatch):
    def broken(*_):
        def maps(pixels):
            return networks.FeatureMaps([torch.full((len(pixels), 4, 8, 8), torch.nan)], torch.zeros(len(pixels), 4))

        return networks.FeatureNetwork("broken", 64, maps)

    monkeypatch.setattr("eval.detectors.detector.image_network", broken)
    detector = made(name)
    learn = detector.fit_predict if detector.transductive else detector.fit
    with pytest.raises(EvalError, match="broken gives NaN or infinite features of plate-000"):
        learn(GOOD)


@pytest.mark.parametrize("name", INDUCTIVE)
def test_nothing_is_predicted_before_something_is_learnt(name):
    with pytest.raises(EvalError, match="has learnt nothing yet"):
        made(name).predict(GOOD)
    with pytest.raises(EvalError, match=r"fit\(good\), then predict"):
        made(name).fit_predict(GOOD)


@pytest.mark.parametrize("name", [*DETECTORS, *PRESETS])
def test_names_and_parameters_are_checked(name):
    assert detectors.create(name).config
    with pytest.raises(EvalError, match="has no parameter"):
        detectors.create(name, sides=3)
    with pytest.raises(EvalError, match="side is 'wide'"):
        detectors.create(name, side="wide")


def test_an_unknown_detector_is_answered_with_the_nearest():
    with pytest.raises(EvalError, match="patchcore"):
        detectors.create("pathcore")


@pytest.mark.parametrize("file", ["detector.json", "state.safetensors"])
@pytest.mark.parametrize("harm", ["gone", "cut", "changed"])
def test_a_damaged_detector_is_not_loaded(file, harm, tmp_path):
    made("patchcore").fit(GOOD).save(tmp_path)
    path = tmp_path / file
    content = path.read_bytes()
    changed = {"gone": None, "cut": content[:-7], "changed": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]}
    path.unlink()
    if (left := changed[harm]) is not None:
        path.write_bytes(left)
    with pytest.raises(EvalError, match=file):
        detectors.load(tmp_path)


def test_a_folder_of_something_else_is_neither_loaded_nor_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(EvalError, match="holds no saved detector"):
        detectors.load(tmp_path)
    with pytest.raises(WriterError, match=r"notes\.txt"):
        made("patchcore").fit(GOOD).save(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_detector_whose_features_have_changed_is_not_loaded(tmp_path, monkeypatch):
    made("patchcore").fit(GOOD).save(tmp_path)
    real = detectors.detector.image_network
    monkeypatch.setattr("eval.detectors.detector.image_network", lambda *a: replace(real(*a), identity="another"))
    with pytest.raises(EvalError, match="other weights"):
        detectors.load(tmp_path)
