import dataclasses
import errno
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synth import generators
from synth.checks.ledger import read_ledger
from synth.errors import GeneratorError, LeakError, RecipeError, RunError, SourceError, WriterError
from synth.generators import Declaration, Request
from synth.pipeline import environment, preparation
from synth.pipeline.folder import RunFolder
from synth.pipeline.journal import Journal
from synth.pipeline.plan import plan
from synth.pipeline.runs import Run, export, run
from synth.sample import Sample
from tests.synth.blobs import BLOBS, DEFECTS, BlobGenerator, given, recipe_for, run_blobs, tree, write_source


@pytest.fixture(autouse=True)
def _blobs(monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def finished(source, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        return run_blobs(source, tmp_path_factory.mktemp("runs") / "blobs")


def test_the_quota_is_met_for_every_defect_type_and_rejects_are_counted(finished):
    assert Counter(record.defect for record in finished.manifest) == dict.fromkeys(DEFECTS, 6)
    for result in finished.yields:
        assert result.accepted == 6
        assert result.reasons["blank_mask"] == 3
        assert result.attempts == 12
    assert finished.shortfalls == []


def test_samples_come_back_as_they_were_drawn(finished, source):
    generator = BlobGenerator(None, finished.path / "model", 3)
    generator.fit([], preparation.prepare(recipe_for(source), preparation.silent)[0].good_images)
    for sample, record in zip(finished.samples(), finished.manifest, strict=True):
        (drawn,) = generator.draw([Request("tile", record.defect, record.generated.index, 3)])
        assert np.array_equal(sample.image, drawn.image)
        assert np.array_equal(sample.mask, drawn.mask)
        made, wanted = sample.provenance, drawn.provenance
        assert (sample.id, made.seed, made.start.sha256) == (drawn.id, wanted.seed, record.generated.start.sha256)


def test_what_passes_beyond_the_quota_is_journaled_and_not_written(finished):
    journal = Journal(finished.folder.journal)
    surplus = [record for record in journal.samples() if record.role == "surplus"]
    assert surplus
    assert all(not record.files for record in surplus)
    stored = {path.stem for path in finished.folder.samples.rglob("*.png") if not path.stem.endswith("_mask")}
    assert stored == {record.id for record in finished.manifest}


def test_the_run_keeps_the_ledger_the_recipe_and_the_real_images(finished, source):
    assert Counter(row.role for row in read_ledger(finished.folder.ledger)) == {"good": 5, "shot": 4}
    assert finished.recipe == recipe_for(source)
    assert len(list((finished.path / "real" / "good" / "tile").glob("*.png"))) == 5
    assert (finished.path / "report" / "index.html").stat().st_size > 10_000


def test_the_manifest_is_a_plain_parquet_table(finished):
    table = pq.read_table(finished.folder.manifest).to_pandas()
    assert list(table["id"]) == [record.id for record in finished.manifest]
    assert table["agreement"].min() > 0.5
    assert table["window"].iloc[0].tolist() == [0, 0, 53]


def test_a_second_run_elsewhere_gives_the_same_bytes(finished, source, tmp_path):
    again = run_blobs(source, tmp_path / "again")
    assert tree(again.path) == tree(finished.path)


def test_a_finished_run_returns_at_once(finished, source, monkeypatch):
    def refuse(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(preparation, "read_source", refuse)
    assert run_blobs(source, finished.path).manifest == finished.manifest


def test_another_recipe_in_the_same_folder_is_refused_with_the_fields(finished, source):
    with pytest.raises(RecipeError, match=r"request\.per_defect: 6 -> 5.*--out"):
        run_blobs(source, finished.path, request={"per_defect": 5})
    with pytest.raises(RecipeError, match=r"checks\.min_area: 10 -> 11.*--out"):
        run_blobs(source, finished.path, checks={"min_area": 11})


def test_a_quota_out_of_reach_is_reported_as_a_shortfall(source, tmp_path):
    short = run_blobs(source, tmp_path / "short", request={"per_defect": 8, "max_attempts": 1, "defects": ["crack"]})
    (missing,) = short.shortfalls
    assert (missing.product, missing.defect, missing.wanted, missing.attempts) == ("tile", "crack", 8, 8)
    assert missing.accepted == len(short.manifest) == 8 - sum(missing.reasons.values())
    assert "blank_mask 2" in str(missing)


def test_a_type_that_yields_nothing_fails_each_time_and_keeps_the_others(source, tmp_path):
    for _ in range(2):
        with pytest.raises(RunError, match=r"nothing was accepted for tile/crack.*large_mask") as raised:
            run_blobs(source, tmp_path / "none", checks={"max_area": 0.001})
        assert raised.value.exit_code == 1
    assert (tmp_path / "none" / "report" / "index.html").exists()


def test_only_what_was_asked_for_is_learnt_and_drawn(source, tmp_path):
    one = run_blobs(source, tmp_path / "one", request={"per_defect": 2, "defects": ["stain"]})
    assert {record.defect for record in one.manifest} == {"stain"}
    with pytest.raises(SourceError, match="did you mean crack"):
        run_blobs(source, tmp_path / "wrong", request={"defects": ["crac"]})
    assert not (tmp_path / "wrong").exists()


def test_a_leak_stops_the_run_before_anything_is_written(source, tmp_path):
    leaky = Path(shutil.copytree(source, tmp_path / "leaky"))
    shutil.copy(leaky / "good" / "g0.png", leaky / "crack" / "crack9.png")
    mask = np.zeros((37, 53), np.uint8)
    mask[3:9, 4:9] = 255
    Image.fromarray(mask).save(leaky / "ground_truth" / "crack" / "crack9_mask.png")
    with pytest.raises(LeakError, match=r"g0\.png.*crack9\.png|crack9\.png.*g0\.png"):
        run_blobs(leaky, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_source_that_changed_since_is_refused_by_name(source, tmp_path, monkeypatch):
    moving = Path(shutil.copytree(source, tmp_path / "moving"))
    _stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        run_blobs(moving, tmp_path / "out")
    (moving / "good" / "g4.png").unlink()
    with pytest.raises(SourceError, match=r"g4\.png is gone since"):
        run_blobs(moving, tmp_path / "out")


def test_a_mask_that_changed_since_is_refused_by_name(source, tmp_path, monkeypatch):
    moving = Path(shutil.copytree(source, tmp_path / "moving"))
    _stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        run_blobs(moving, tmp_path / "out")
    mask_file = moving / "ground_truth" / "crack" / "crack0_mask.png"
    Image.fromarray(np.roll(np.asarray(Image.open(mask_file)), 1, 0)).save(mask_file)
    with pytest.raises(SourceError, match=r"crack0\.png has another mask or other coordinates since"):
        run_blobs(moving, tmp_path / "out")


def test_other_versions_do_not_resume_an_unfinished_run(source, tmp_path, monkeypatch):
    _stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        run_blobs(source, tmp_path / "out")
    here = environment.describe()
    monkeypatch.setattr(environment, "describe", lambda: {**here, "device": "another"})
    with pytest.raises(RecipeError, match=r"device cpu .* there, another here.*--out"):
        run_blobs(source, tmp_path / "out")


def test_a_folder_of_the_users_is_not_taken_for_a_run(source, tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(WriterError, match=r"holiday\.jpg"):
        run_blobs(source, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("name", ["data", "real", "samples", "model"])
def test_a_users_folder_with_a_name_that_runs_use_is_not_taken_for_a_run(name, source, tmp_path):
    mine = tmp_path / "project" / name / "tile" / "train" / "good" / "000.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(WriterError, match=f"such as {name}"):
        run_blobs(source, tmp_path / "project")
    assert mine.read_bytes() == b"mine"


def test_a_file_in_the_runs_place_is_refused(source, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(WriterError, match="is a file"):
        run_blobs(source, tmp_path / "out")
    with pytest.raises(WriterError, match="cannot be used"):
        run_blobs(source, tmp_path / "out" / "below")


def test_a_full_disk_leaves_nothing_half_written_and_the_run_is_resumed(finished, source, tmp_path, monkeypatch):
    write = Path.replace
    count = iter(range(1000))

    def full(self, target):
        if next(count) == 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(WriterError, match=r"disk is full.*same command"):
        run_blobs(source, tmp_path / "out")
    assert not list((tmp_path / "out").rglob(".*.part"))
    assert tree(run_blobs(source, tmp_path / "out").path) == tree(finished.path)


def test_a_second_process_is_kept_out(source, tmp_path):
    with RunFolder(tmp_path / "out").lock(), pytest.raises(WriterError, match="another process works in"):
        run_blobs(source, tmp_path / "out")
    assert run_blobs(source, tmp_path / "out").shortfalls == []


def test_a_wrong_base_leaves_the_folder_free_for_the_mended_recipe(source, tmp_path, monkeypatch):
    out, recipe = tmp_path / "out", recipe_for(source)
    drawn = recipe.generator.model_copy(update={"base": str(tmp_path / "no"), "freedom": 0.3})
    wrong = recipe.model_copy(update={"generator": drawn})
    with monkeypatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", Declaration("synth.seas.generator:SeasGenerator"))
        with pytest.raises(GeneratorError, match="no such folder"):
            run(wrong, out)
    assert run(recipe, out).shortfalls == []


def test_a_generator_that_draws_something_else_is_refused(source, tmp_path, monkeypatch):
    class Wrong(BlobGenerator):
        def draw(self, requests):
            return super().draw(requests)[::-1]

    monkeypatch.setitem(generators.GENERATORS, "seas", given(Wrong))
    with pytest.raises(GeneratorError, match="asked for tile-crack-00000"):
        run_blobs(source, tmp_path / "out")


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_an_interruption_between_batches_changes_nothing(batches, finished, source, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        _stop_after(patch, batches)
        with pytest.raises(KeyboardInterrupt):
            run_blobs(source, tmp_path / "out")
    with pytest.raises(RunError, match="not finished"):
        Run(tmp_path / "out")
    (tmp_path / "out" / "real" / ".good.png.12345.part").write_bytes(b"half a file")
    assert tree(run_blobs(source, tmp_path / "out").path) == tree(finished.path)


def test_export_writes_a_finished_run_in_another_format(finished, tmp_path):
    export(finished.path, "parquet", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["train-00000-of-00001.parquet"]
    with pytest.raises(WriterError, match="holds files that are not an export's, such as train-00000"):
        export(finished.path, "parquet", tmp_path)
    with pytest.raises(WriterError, match="there are: mvtec, mvtec_3d, mvtec_ad_2"):
        export(finished.path, "kitti", tmp_path / "kitti")


def test_types_that_would_share_files_are_refused_by_name(source):
    shots = [Sample(id=name, product="tile", defect=name) for name in ("burn in", "burn?in", "burn/in")]
    assert len(plan(recipe_for(source), shots[:2])) == 2
    with pytest.raises(SourceError, match=r"tile/burn/in and tile/burn\?in are too alike"):
        plan(recipe_for(source), shots)


def test_run_uses_outputs_and_the_recipes_name_by_default(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(recipe_for(source, request={"per_defect": 1})).path == Path("outputs/blobs")


def test_records_of_other_candidates_hold_no_files(finished):
    surplus = dataclasses.replace(finished.manifest[0], role="surplus", files={})
    with pytest.raises(RunError, match="surplus and has no image"):
        surplus.path(finished.path, "image")


def _stop_after(patch, batches):
    draw, count = BlobGenerator.draw, iter(range(1000))

    def stop(self, requests):
        if next(count) == batches:
            raise KeyboardInterrupt
        return draw(self, requests)

    patch.setattr(BlobGenerator, "draw", stop)
