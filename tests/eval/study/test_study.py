"""From a finished run to trained training sets and one look at the test images."""

import io
import json
import shutil
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from eval.study import training_sets
from eval.study.memory import free_memory, needed_bytes
from eval.study.study import Study, run_study
from eval.study.training_sets import build_training_sets, draw_baseline
from eval.study.training_side import read_training_side
from synth import generators
from synth.checks.ledger import read_ledger, write_ledger
from synth.cli.main import app
from synth.errors import EvalError, LeakError
from synth.pipeline.manifest import manifest_bytes, read_manifest
from synth.pipeline.preparation import Prepared, silent
from synth.pipeline.real import read_real
from synth.pipeline.runs import run
from synth.pipeline.stored import StoredFile
from synth.sample import Sample
from synth.sources.config import FolderSource
from synth.sources.listing import reopen
from synth.split import Split
from tests.synth.blobs import BLOBS, given, recipe_for, run_blobs, write_source

TINY = {"width": 0.25, "resolution": 32, "steps": 4, "batch": 4, "validate_every": 2}
STUDY = Study({"lfd": TINY}, ("real", "copy_paste", "ours_real", "noise_control"), 2)


class Spy:
    """A generator that notes the ids of the shots it is given."""

    def __init__(self, generator, learnt):
        self._generator, self._learnt = generator, learnt

    def fit(self, shots, good_images, progress=None):
        self._learnt.append([shot.id for shot in shots])
        self._generator.fit(shots, good_images, progress)

    def __getattr__(self, name):
        return getattr(self._generator, name)


@pytest.fixture(scope="module")
def side(finished):
    return read_training_side(finished.path, silent)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def measured(finished, place):
    return run_study(finished.path, STUDY, place, silent)


def test_validation_and_test_samples_stay_closed(side):
    names = [{sample.id for sample in part} for part in (side.shots, side.validation, side.good_images, side.test)]
    assert [len(part) for part in names] == [8, 4, 4, 16]
    assert len(set.union(*names)) == 32
    assert Counter(shot.defect for shot in side.validation) == {"crack": 2, "stain": 2}
    assert all(sample.image is None for sample in side.test + side.validation)


def test_generator_baselines_and_segmenters_learn_from_the_same_shots(finished, side, monkeypatch):
    assert [shot.id for shot in side.shots] == sorted(shot.id for shot in side.shots)
    assert {shot.id for shot in side.shots} == {
        image.id for image in read_real(finished.folder) if image.role == "shot"
    }
    learnt = []
    for kind in training_sets.BASELINES:
        declared = generators.GENERATORS[kind]
        spied = given(lambda *args, declared=declared: Spy(declared.open(*args), learnt))
        monkeypatch.setitem(generators.GENERATORS, kind, spied)
    build_training_sets(side, training_sets.TRAINING_SETS, 32, silent)
    assert learnt == [[shot.id for shot in side.shots]] * len(training_sets.BASELINES)


def test_training_sets_hold_what_they_say(side):
    built = {
        training_set.name: training_set
        for training_set in build_training_sets(side, training_sets.TRAINING_SETS, 32, silent)
    }
    made = 12
    sizes = {name: len(training_set.samples) for name, training_set in built.items()}
    assert sizes == {
        "real": 12,
        **dict.fromkeys(("oversample", "perlin", "cutpaste", "copy_paste", "ours_real"), 12 + made),
        "ours": 4 + made,
        "noise_control": 12,
    }
    validation = {sample.id for sample in side.validation}
    for training_set in built.values():
        assert not validation & {sample.id for sample in training_set.samples}
        assert {sample.image.shape for sample in training_set.samples} == {(32, 32, 3)}
        assert all(s.provenance is None or s.provenance.start is None for s in training_set.samples)
        assert sum(s.provenance is not None for s in training_set.samples) in (0, made)


def test_segmenters_that_cut_tiles_are_given_images_at_their_own_size(side):
    built = build_training_sets(side, ("real", "ours_real"), 32, silent, tile=24)
    sizes = {sample.id: sample.image.shape for training_set in built for sample in training_set.samples}
    assert all(sizes[shot.id] == shot.image.shape for shot in side.shots)
    assert set(sizes.values()) == {side.shots[0].image.shape}


def test_shots_are_repeated_even_where_the_defect_is_a_missing_piece(finished, side):
    gone = []
    for number, shot in enumerate(side.shots):
        image = np.zeros((60, 80, 3), np.uint8)
        image[10:50, 15:60] = 150 + number
        mask = np.zeros((60, 80), bool)
        mask[10:20, 15:27] = True
        image[mask] = 0
        gone.append(replace(shot, image=image, mask=mask))
    copies = {sample.image.tobytes() for sample in draw_baseline(replace(side, shots=gone), "oversample")}
    assert copies == {shot.image.tobytes() for shot in gone}


def test_every_training_is_measured_on_every_test_image(measured):
    assert Counter(measured.defects) == {"crack": 6, "stain": 6}
    assert measured.good_images == 4
    assert len(measured.results) == 8
    for training_set in STUDY.training_sets:
        table = measured.table("iou", "lfd", training_set)
        assert table.shape == (2, 12)
        assert ((table >= 0) & (table <= measured.table("best_iou", "lfd", training_set) + 1e-9)).all()
    assert not np.array_equal(
        *(measured.table("best_iou", "lfd", training_set) for training_set in ("real", "noise_control"))
    )


def test_a_killed_study_resumes_and_ends_the_same(finished, measured, tmp_path):
    for stop_at in (("training", 3), ("trainings", 5), ("measuring", 10)):

        def killed(stage, done, total, stop_at=stop_at):
            if (stage, done) == stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_study(finished.path, STUDY, tmp_path, killed)
        assert not (tmp_path / "measured.json").exists()
    again = run_study(finished.path, STUDY, tmp_path, silent)
    for training_set in STUDY.training_sets:
        assert np.allclose(
            again.table("best_iou", "lfd", training_set), measured.table("best_iou", "lfd", training_set), atol=1e-4
        )
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    assert asdict(run_study(finished.path, STUDY, tmp_path, silent)) == asdict(again)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    with pytest.raises(EvalError, match="holds another study"):
        run_study(finished.path, replace(STUDY, seeds=3), tmp_path, silent)


def test_the_images_of_another_run_are_another_study(finished, measured, tmp_path):
    folder, other = tmp_path / "study", Path(shutil.copytree(finished.path, tmp_path / "run"))
    few = Study({"lfd": TINY}, ("real",), 1)
    run_study(other, few, folder, silent)
    records, missing = read_manifest(other / "manifest.parquet")
    changed = replace(records[0], files={**records[0].files, "image": StoredFile("samples/a.png", "f" * 64)})
    (other / "manifest.parquet").write_bytes(manifest_bytes([changed, *records[1:]], missing))
    with pytest.raises(EvalError, match=r"holds another study .*images"):
        run_study(other, few, folder, silent)


def test_seeds_start_where_they_are_asked_to():
    moved = replace(STUDY, segmenters={"lfd": TINY | {"seed": 100}})
    assert [STUDY.config("lfd", training_set, 1).seed for training_set in ("real", "noise_control")] == [1, 1_000_001]
    assert [moved.config("lfd", training_set, 1).seed for training_set in ("real", "noise_control")] == [101, 1_000_101]


def test_too_few_test_images_are_reported_before_any_training(finished, tmp_path):
    with pytest.raises(EvalError, match=r"no defect type of .* has 7 test images, the most is 6"):
        run_study(finished.path, STUDY, tmp_path / "study", silent, least_images=7)
    assert not (tmp_path / "study").exists()


def test_trainings_side_by_side_stop_and_resume_and_end_like_one_after_the_other(finished, measured, tmp_path):
    def killed(stage, done, total):
        if (stage, done) == ("trainings", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(finished.path, STUDY, tmp_path, killed, workers=2)
    assert not (tmp_path / "measured.json").exists()
    reported = []
    beside = run_study(
        finished.path, STUDY, tmp_path, lambda stage, done, total: reported.append((stage, done)), workers=2
    )
    counts = [done for stage, done in reported if stage == "trainings"]
    assert counts == list(range(counts[0], 9))
    assert counts[0] >= 3
    for training_set in STUDY.training_sets:
        assert np.allclose(
            beside.table("best_iou", "lfd", training_set), measured.table("best_iou", "lfd", training_set), atol=1e-4
        )


def test_no_training_begins_before_wrong_words_are_reported(finished, tmp_path):
    for wrong, message in (
        (replace(STUDY, training_sets=("real", "our")), "training set 'our' is unknown; did you mean ours"),
        (replace(STUDY, segmenters={"lfd": {"step": 3}}), "lfd has no parameter step"),
        (replace(STUDY, segmenters={"lfd": TINY, "bisenetv2": {}}), "give all of them the same"),
        (replace(STUDY, segmenters={"lfd": TINY, "bisenetv2": TINY | {"tile": 32}}), "have tiles .* the same"),
    ):
        with pytest.raises(EvalError, match=message):
            run_study(finished.path, wrong, tmp_path, silent)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_test_images_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)
    run = run_blobs(write_source(tmp_path / "source"), tmp_path / "run", request={"per_defect": 1})
    with pytest.raises(EvalError, match="has no defective test images; list some"):
        read_training_side(run.path, silent)


def test_a_run_that_kept_no_validation_shots_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)
    for name, shots, fraction, words in (
        ("few", 5, 0.25, r"no validation shots .*fewer than 4 shots .*list some as validation in a split file"),
        ("none", 8, 0, r"source\.validation_fraction=0, .*set it to 0\.25 and run the recipe again"),
    ):
        root = write_source(tmp_path / name, shots=shots)
        block = FolderSource(root=root, product="tile", test_fraction=0.4, validation_fraction=fraction)
        made = run(recipe_for(root).model_copy(update={"source": block}), tmp_path / f"{name}-run")
        with pytest.raises(EvalError, match=words):
            read_training_side(made.path, silent)


def test_a_run_made_before_validation_was_a_role_is_refused_in_one_line(finished, tmp_path):
    run = shutil.copytree(finished.path, tmp_path / "run")
    rows = read_ledger(run / "ledger.parquet")
    old = [replace(row, role="shot" if row.role == "validation" else row.role) for row in rows]
    write_ledger(old, run / "ledger.parquet")
    done = CliRunner().invoke(app, ["eval", "verdict", str(run), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "was made by an earlier version, whose generator learnt from the validation shots too" in done.stderr
    assert "was made by an earlier version" in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_type_without_validation_shots_takes_the_threshold_of_the_others_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)
    root = write_source(tmp_path / "source", shots=8)
    for number in range(2, 8):
        (root / "stain" / f"stain{number}.png").unlink()
        (root / "ground_truth" / "stain" / f"stain{number}_mask.png").unlink()
    block = FolderSource(root=root, product="tile", test_fraction=0.5, min_shots=1)
    made = run(recipe_for(root).model_copy(update={"source": block}), tmp_path / "run")
    measured = run_study(made.path, Study({"lfd": TINY}, ("real",), 1), tmp_path / "study", silent)
    assert measured.validation == {"crack": 1, "stain": 0}
    assert Counter(measured.defects) == {"crack": 4, "stain": 1}


def test_training_images_that_do_not_fit_into_memory_are_reported_before_any_training(finished, tmp_path, monkeypatch):
    monkeypatch.setattr("eval.study.memory.free_memory", lambda: 100_000)
    words = (
        r"needs about 0\.0 GB for 4 training sets of up to 24 images at 32 px, 1 at once, .*resolution=32.*--workers 1"
    )
    with pytest.raises(EvalError, match=words):
        run_study(finished.path, STUDY, tmp_path / "study", silent)
    assert not (tmp_path / "study").exists()


def test_the_memory_needed_grows_with_images_resolution_and_workers():
    base = needed_bytes(10, [0, 90], 64, 1)
    assert base == (100 + 100) * 64 * 64 * 4
    assert needed_bytes(10, [0, 90], 128, 1) == 4 * base
    assert needed_bytes(10, [0, 90], 64, 3) == (100 + 6 * 100) * 64 * 64 * 4
    assert free_memory() is None or free_memory() > 10**6


@pytest.fixture
def leaky(finished, side, tmp_path):
    """The run and its source once more; the source with a test image saved again, mirrored, in a shot's place."""
    source = shutil.copytree(finished.recipe.source.root, tmp_path / "source")
    run = shutil.copytree(finished.path, tmp_path / "run")
    text = (run / "recipe.yaml").read_text().replace(str(finished.recipe.source.root), str(source))
    (run / "recipe.yaml").write_text(text)
    shot, test = side.shots[0], next(sample for sample in side.test if sample.defect is not None)
    buffer = io.BytesIO()
    Image.fromarray(reopen(test).image[:, ::-1]).save(buffer, "JPEG", quality=92)
    leaked = source / str(shot.meta["file"]).removeprefix(f"{finished.recipe.source.root}/")
    Image.open(buffer).save(leaked)
    return run, shot, test


@pytest.mark.parametrize("verb", ["verdict", "segmenters"])
def test_a_test_image_among_the_shots_stops_with_exit_code_2_and_both_names(leaky, verb, tmp_path):
    run, shot, test = leaky
    done = CliRunner().invoke(app, ["eval", verb, str(run), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    for sample in (shot, test):
        assert str(sample.meta["file"]).rsplit("/", 1)[1] in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_test_image_that_a_training_set_was_drawn_from_stops_with_both_names(side, monkeypatch):
    test = next(sample for sample in side.test if sample.defect is not None)
    image = np.rot90(reopen(test).image).copy()
    stolen = Sample("tile-crack-00007", image, np.zeros(image.shape[:2], bool), product="tile", defect="crack")
    monkeypatch.setattr(training_sets, "_made", lambda side, name: [stolen] if name == "ours" else [])
    with pytest.raises(LeakError) as raised:
        build_training_sets(side, ("real", "ours"), 32, silent)
    assert "ours: tile-crack-00007" in str(raised.value)
    assert str(test.meta["file"]) in str(raised.value)


def test_a_run_that_learnt_from_no_shots_is_refused(finished, side, monkeypatch):
    split = Split([], side.good_images, side.test)
    monkeypatch.setattr("eval.study.training_side.prepare", lambda *_: Prepared(split, [], (), ()))
    monkeypatch.setattr("eval.study.training_side.check_same_source", lambda *_: None)
    with pytest.raises(EvalError, match="drawn without real defects"):
        read_training_side(finished.path, silent)


def test_a_run_that_is_not_finished_cannot_be_judged(tmp_path, finished):
    folder = shutil.copytree(finished.path, tmp_path / "run")
    (folder / "manifest.parquet").unlink()
    done = CliRunner().invoke(app, ["eval", "verdict", str(folder)])
    assert done.exit_code == 1
    assert "is not finished" in done.stderr


def test_the_commands_train_measure_and_report(finished, tmp_path):
    tiny = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    common = [str(finished.path), "--segmenter", "lfd", "--training-set", "ours_real", *tiny, "--json"]
    answer = CliRunner().invoke(app, ["eval", "segmenters", *common, "--out", str(tmp_path / "segmenters")])
    assert answer.exit_code == 0, answer.stderr
    rows = json.loads(answer.stdout)["rows"]
    assert [row["training_set"] for row in rows] == ["real", "ours_real"]
    assert set(rows[0]["iou"]) == {"crack", "stain"}
    assert rows[0]["mean_iou"] == pytest.approx(np.mean(list(rows[0]["iou"].values())))
    assert all(row["cpu_cores"] > 0 and 0 <= row["data_wait_fraction"] < 1 for row in rows)
    answer = CliRunner().invoke(app, ["eval", "verdict", *common, "--out", str(tmp_path / "verdict")])
    assert answer.exit_code == 0, answer.stderr
    judged = json.loads(answer.stdout)
    assert judged == json.loads((tmp_path / "verdict" / "verdict.json").read_text())
    assert judged["validation_shots"] == {"crack": 2, "stain": 2}
    assert {gain["what"] for gain in judged["gains"]} >= {"all types", "crack", "stain"}
    assert {gain["images"] for gain in judged["gains"] if gain["what"] == "all types"} == {12}
    assert (tmp_path / "verdict" / "verdict.svg").read_text().startswith("<svg")
    assert "| ours + real |" in (tmp_path / "verdict" / "verdict.md").read_text()


@pytest.mark.parametrize("name", ["measured.json", "study.json", "trained/lfd/real/0/segmenter.safetensors"])
def test_a_damaged_study_is_measured_again_or_named(name, finished, measured, place, tmp_path):
    copy = Path(shutil.copytree(place, tmp_path / "copy"))
    file = copy / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    if file.suffix == ".safetensors":
        (copy / "measured.json").unlink()
    if name == "study.json":
        with pytest.raises(EvalError, match=r"study\.json is damaged"):
            run_study(finished.path, STUDY, copy, silent)
        return
    again = run_study(finished.path, STUDY, copy, silent)
    for training_set in STUDY.training_sets:
        assert np.allclose(
            again.table("iou", "lfd", training_set), measured.table("iou", "lfd", training_set), atol=1e-6
        )
