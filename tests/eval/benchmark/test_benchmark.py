"""Detectors measured on folders and runs: what is read, measured, kept and shown."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from eval.benchmark.benchmark import run_benchmark
from eval.benchmark.calibrated import calibrate_run
from eval.benchmark.data import Category, categories, shots_of
from eval.benchmark.evaluated import Scored, evaluation_size, resized_map, resized_mask
from eval.benchmark.feeding import lacking
from eval.benchmark.grid import grid
from eval.benchmark.measurement import Setting
from eval.detectors import Prediction
from eval.detectors.registry import DETECTORS
from synth.cli.main import app
from synth.errors import EvalError
from synth.io.cloud_image import rendered
from synth.sample import Cloud, Sample
from tests.eval.detectors.scenes import plate

SMALL = {"features": "random", "side": 64}


def silent(stage, done, total):
    pass


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Nine good plates and four stained ones, without a split."""
    root = tmp_path_factory.mktemp("plates")
    shown = {"good": [plate(k) for k in range(9)], "stain": [plate(k, stain=True) for k in range(20, 24)]}
    for kind, samples in shown.items():
        for sample in samples:
            (root / kind).mkdir(exist_ok=True)
            Image.fromarray(sample.image).save(root / kind / f"{sample.id}.png")
            if sample.defect is not None:
                (root / "masks" / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(sample.mask).save(root / "masks" / kind / f"{sample.id}.png")
    return root


@pytest.fixture(scope="session")
def measured(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("measured") / "out"
    settings = [Setting("patchcore", SMALL), Setting("patchcore", SMALL, shots=2, draw=1)]
    return run_benchmark(settings, categories(folder), out, silent), out


def test_without_a_split_all_defects_and_a_third_of_the_good_images_are_test_images(folder):
    (one,) = categories(folder)
    assert len(one.good) == 6
    assert sorted(str(sample.defect) for sample in one.test) == ["None"] * 3 + ["stain"] * 4
    assert not {sample.id for sample in one.good} & {sample.id for sample in one.test}
    assert any("3 of 9" in note for note in one.notes)
    assert any("all 4 are" in note for note in one.notes)


def test_draws_of_good_samples_nest_and_differ(folder):
    (one,) = categories(folder)
    few, more, other = shots_of(one.good, 2, 0), shots_of(one.good, 4, 0), shots_of(one.good, 2, 1)
    assert [sample.id for sample in few] == [sample.id for sample in more][:2]
    assert [sample.id for sample in few] != [sample.id for sample in other]
    with pytest.raises(EvalError, match="7 good samples are asked for and 6"):
        shots_of(one.good, 7, 0)


def test_a_clear_stain_is_told_from_good_plates(measured):
    judged, _ = measured
    (row, _) = judged.rows()
    assert row.figures["image_auroc"] == 1
    assert row.figures["image_auroc_low"] < 1
    assert row.figures["pixel_auroc"] > 0.9
    assert row.figures["aupro_30"] > row.figures["aupro_1"]
    assert judged.kinds == ["stain"]


def test_the_files_say_what_was_measured(measured):
    judged, out = measured
    with (out / "detectors.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["detector"], row["good_samples"], row["defects"]) for row in rows} == {
        ("patchcore", shots, kind) for shots in ("all", "2") for kind in ("all", "stain")
    }
    assert float(rows[0]["image_auroc"]) == judged.rows()[0].figures["image_auroc"]
    content = json.loads((out / "detectors.json").read_text())
    assert [one["learnt_from"] for one in content["measured"]] == [6, 2]
    assert all(one["bank_bytes"] > 0 and one["peak_bytes"] > 0 and one["operations"] > 0 for one in content["measured"])
    table = (out / "detectors.md").read_text()
    assert "| patchcore, 2 good | random |" in table
    assert "transductive" not in table


def test_the_page_shows_every_example(measured):
    _, out = measured
    page = (out / "index.html").read_text()
    examples = sorted(out.glob("examples/*/*/*.png"))
    assert len(examples) == 2 * (3 + 3)
    assert all(path.relative_to(out).as_posix() in page for path in examples)
    assert Image.open(examples[0]).size == (3 * 64 + 8, 64)


def test_a_second_call_measures_nothing_again(folder, measured, monkeypatch):
    judged, out = measured
    monkeypatch.setattr("eval.benchmark.benchmark.measure", lambda *_: pytest.fail("measured again"))
    again = run_benchmark(
        [Setting("patchcore", SMALL), Setting("patchcore", SMALL, shots=2, draw=1)], categories(folder), out, silent
    )
    assert again.to_json() == judged.to_json()


def test_another_comparison_needs_another_folder(folder, measured):
    _, out = measured
    with pytest.raises(EvalError, match="holds another comparison"):
        run_benchmark([Setting("patchcore", SMALL | {"side": 48})], categories(folder), out, silent)


def test_a_run_is_tested_on_real_and_on_synthetic_defects(finished, tmp_path):
    found = categories(finished.path, "both")
    assert [one.synthetic for one in found] == [False, True]
    real, made = found
    assert [sample.id for sample in real.good] == [sample.id for sample in made.good]
    starts = {one.provenance.start.id for one in made.test if one.provenance is not None}
    assert starts
    assert not starts & {sample.id for sample in made.good}
    settings = [Setting("patchcore", SMALL | {"side": side}) for side in (32, 64)]
    judged = run_benchmark(settings, found, tmp_path / "out", silent)
    assert "rank agreement" in judged.lines()[-1]
    assert "1 detectors" in judged.lines()[-1]


def test_a_folder_has_no_synthetic_defects(folder):
    with pytest.raises(EvalError, match="is no run"):
        categories(folder, "synthetic")


def test_detectors_that_learn_from_defects_get_those_of_the_category_and_are_marked(tmp_path, folder):
    shown = [plate(60), plate(61), plate(62, dent=True), plate(63, dent=True)]
    taught = [plate(number, dent=True) for number in range(8, 10)]
    brief = {"side": 32, "steps": 6, "width": 2, "last": 3}
    out, heard = tmp_path / "out", []
    data = [Category("plates", "plate", [plate(0), plate(1)], shown, defects=taught)]
    with pytest.raises(EvalError, match="vote3deep learns from labelled defects"):
        run_benchmark([Setting("vote3deep", brief)], [replace(data[0], defects=[])], tmp_path / "none", silent)
    judged = run_benchmark([Setting("vote3deep", brief)], data, out, lambda *told: heard.append(told))
    assert judged.measured[0]["learns_from_defects"]
    assert "vote3deep‡ (voxels) on plates/plate" in judged.lines()[0]
    assert any("trained on synthetic defects" in line for line in judged.lines())
    assert ("vote3deep", 6, 6) in heard
    assert not any((out / "trainings").glob("*"))
    with (out / "detectors.csv").open() as file:
        assert next(csv.DictReader(file))["learns_from_defects"] == "True"
    assert "trained on synthetic defects" in (out / "index.html").read_text()


def test_all_detectors_are_those_that_the_data_can_feed_and_the_others_are_told(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(
        "eval.benchmark.grid.DETECTORS", {name: DETECTORS[name] for name in ("vote3deep", "glfm", "patchcore")}
    )
    command = ["eval", "detectors", "--data", str(folder), "--features", "random", "--set", "side=32"]
    said = CliRunner().invoke(app, [*command, "--detectors", "all", "--out", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output
    assert "glfm looks at clouds, " in said.output
    assert "vote3deep looks at clouds, " in said.output
    assert "patchcore (random) on " in said.output
    named = CliRunner().invoke(app, [*command, "--detectors", "glfm,patchcore", "--out", str(tmp_path / "named")])
    assert named.exit_code == 2
    assert "glfm looks at clouds" in named.output


def test_the_drawing_of_a_cloud_is_no_image_to_look_at():
    points = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    drawn, _ = rendered(Cloud(points))
    category = Category("parts", "part", [Sample("scan", image=drawn, cloud=Cloud(points), product="part")], [])
    reasons = {name: lacking(Setting(name, {}), [category]) for name in DETECTORS}
    assert reasons.pop("glfm") is None
    assert "learns from labelled defects" in reasons.pop("vote3deep")
    assert all("looks at" in reason for reason in reasons.values())


def test_points_of_an_unorganised_cloud_are_compared_with_their_labels():
    points, labels = np.zeros((400, 3), np.float32), np.arange(400) < 30
    sample = Sample("scan", cloud=Cloud(points, labels=labels), product="part", defect="dent")
    scored = Scored()
    scored.add([sample], Prediction(["scan"], np.ones(1), [labels[None].astype(np.float32)]))
    assert scored.maps[0].shape == (1, 400)
    np.testing.assert_array_equal(scored.masks[0][0], labels)


def test_the_grid_takes_each_combination_and_checks_every_word():
    settings = ["patchcore.share=0.5", "side=48"]
    found = grid("patchcore", "random,tiny_base", settings, "1,all", 2)
    assert [(one.params["features"], one.shots, one.draw) for one in found] == [
        *(("random", shots, draw) for shots, draw in ((1, 0), (1, 1), (None, 0))),
        *(("tiny_base", shots, draw) for shots, draw in ((1, 0), (1, 1), (None, 0))),
    ]
    assert all((one.params["share"], one.params["side"]) == (0.5, 48) for one in found)
    assert [one.params for one in grid("vote3deep", "random,tiny_base", [], "all", 1)] == [{"features": "random"}]
    assert [one.detector for one in grid("rad,glfm", "random", [], "all", 1, "xyz")] == ["glfm"]
    for wrong in (
        ("patchcor", "random", [], "all"),
        ("patchcore", "", [], "all"),
        ("patchcore", "random", ["sides=3"], "all"),
        ("patchcore", "random", ["rad.side=3"], "all"),
        ("patchcore", "random", ["side"], "all"),
        ("patchcore", "random", [], "none"),
        ("patchcore", "random", [], "0"),
    ):
        with pytest.raises(EvalError):
            grid(*wrong, 1)


def test_a_detector_of_pixels_is_listed_once_whatever_the_features_and_where_its_modalities_are_looked_at():
    found = grid("radar_style,das3d_style", "random,tiny_base", ["side=48"], "all", 1)
    assert [(one.detector, one.params, one.features) for one in found] == [
        ("radar_style", {"side": 48}, "pixels"),
        ("das3d_style", {"side": 48}, "pixels + points"),
    ]
    assert [one.detector for one in grid("radar_style,das3d_style", "auto", [], "all", 1, "image")] == ["radar_style"]


def test_maps_and_masks_are_compared_at_a_longer_side_of_256():
    assert evaluation_size((1240, 500)) == (256, 103)
    assert evaluation_size((60, 40)) == (60, 40)
    mask = np.zeros((1240, 500), bool)
    mask[600:603, 100:103] = True
    small = resized_mask(mask, (256, 103))
    assert small.sum() >= 1
    assert resized_map(mask.astype(np.float32), (256, 103)).argmax() == small.argmax()


def test_the_command_prints_a_line_a_detector(folder, tmp_path):
    command = ["eval", "detectors", "--data", str(folder), "--features", "random", "--set", "side=64"]
    said = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output
    assert "patchcore (random) on " in said.output
    assert "image AUROC" in said.output


def test_calibration_judges_a_threshold_on_the_test_images(finished, tmp_path):
    command = ["eval", "calibrate", str(finished.path), "--features", "random", "--set", "side=64", "--json"]
    said = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output
    (found,) = json.loads(said.stdout)["calibrations"]
    assert set(found["rules"]) == {"synthetic", "perlin", "good", "oracle"}
    assert found["chosen"] in ("synthetic", "good")
    assert (tmp_path / "out" / "calibration.md").is_file()


def test_what_a_detector_warns_of_stands_in_the_table(folder, tmp_path):
    judged = run_benchmark([Setting("musc", SMALL)], categories(folder), tmp_path / "out", silent)
    assert any("musc scores 7 images by each other" in note for note in judged.notes)
    assert "| musc† |" in (tmp_path / "out" / "detectors.md").read_text()
    assert "transductive" in judged.lines()[-1]


def test_calibration_without_shots_has_no_rule_of_perlin_defects(finished, tmp_path, monkeypatch):
    (real,) = categories(finished.path)
    monkeypatch.setattr("eval.benchmark.calibrated.categories", lambda _: [replace(real, shots=[])])
    found = calibrate_run(finished.path, [Setting("patchcore", SMALL)], tmp_path / "out", silent).found
    assert set(found[0].rules) == {"synthetic", "good", "oracle"}
