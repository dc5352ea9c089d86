"""What becomes of decisions: in the dataset, after a kill, in the next run, and from a file."""

import base64
import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from synth.cli.main import app
from synth.errors import RecipeError, RunError, WriterError
from synth.io.png import png_bytes, read_png
from synth.pipeline.decisions import Change
from synth.pipeline.manifest import read_manifest
from synth.pipeline.preparation import silent
from synth.pipeline.regenerate import regenerate
from synth.pipeline.runs import Run, decide, export
from synth.pipeline.verify import verify
from synth.review.desk import Handed, open_desk
from synth.review.handed import read_handed
from synth.review.masks import read_mask
from tests.synth.blobs import SIZE, run_blobs, tree


def reject(run, *ids):
    return decide(run.path, [Change(one, "mark", "rejected") for one in ids])


def other_mask():
    mask = np.zeros(SIZE, bool)
    mask[20:25, 30:44] = True
    return mask


def test_a_rejected_sample_leaves_the_dataset_and_another_takes_its_place(finished, source):
    before = {record.id: record for record in finished.manifest}
    gone = [list(before)[1], list(before)[-1]]
    left = reject(finished, *gone)
    assert left.kept == 10
    assert "2 rejected" in left.lines()[0]
    run = Run(finished.path)
    assert not set(gone) & {record.id for record in run.manifest}
    assert verify(run.path, silent).whole
    again = run_blobs(source, run.path)
    after = {record.id: record for record in again.manifest}
    assert len(after) == 12
    assert {one: after[one] for one in before if one not in gone} == {
        one: before[one] for one in before if one not in gone
    }
    assert [result.rejected for result in again.yields] == [1, 1]
    written = again.folder.manifest.stat().st_mtime_ns
    assert run_blobs(source, run.path).folder.manifest.stat().st_mtime_ns == written


def test_the_same_decisions_end_with_the_same_files_in_any_order(finished, source, tmp_path):
    ids = [record.id for record in finished.manifest]
    reject(finished, ids[0])
    run_blobs(source, finished.path)
    reject(finished, ids[3])
    newest = max(record.id for record in Run(finished.path).manifest if "crack" in record.id)
    reject(finished, newest)
    again = run_blobs(source, finished.path)
    fresh = run_blobs(source, tmp_path / "fresh")
    shutil.copy(again.folder.decisions, fresh.folder.decisions)
    assert not verify(fresh.path, silent).whole
    assert tree(run_blobs(source, fresh.path).path) == tree(again.path)


def test_a_rejected_sample_that_is_taken_back_is_in_the_dataset_and_its_replacement_is_not(finished, source):
    before, first = finished.manifest, finished.manifest[0].id
    reject(finished, first)
    run_blobs(source, finished.path)
    Run(finished.path).drop([first], restore=True)
    assert Run(finished.path).manifest == before
    assert run_blobs(source, finished.path).manifest == before


def test_an_edited_mask_is_in_everything_made_of_the_run_with_both_hashes(finished, tmp_path):
    first = finished.manifest[0]
    with open_desk(finished.path, silent) as desk:
        desk.edit(first.id, png_bytes(other_mask()))
        desk.finish(silent)
    run = Run(finished.path)
    record = next(one for one in run.manifest if one.id == first.id)
    assert np.array_equal(record.load(run.path).mask, other_mask())
    row = next(row for row in pq.read_table(run.folder.manifest).to_pylist() if row["id"] == first.id)
    assert (row["mask_sha256"], row["drawn_mask_sha256"]) == (record.files["mask"].sha256, first.files["mask"].sha256)
    assert record.scores["area"] == pytest.approx(other_mask().mean(), abs=1e-5)
    assert record.scores["agreement"] < first.scores["agreement"]
    assert "confidence" in record.unmeasured
    export(run.path, "mvtec", tmp_path / "exported")
    assert np.array_equal(read_png(next((tmp_path / "exported").rglob(f"{first.id}_mask.png"))), other_mask())
    export(run.path, "parquet", tmp_path / "table")
    table = pq.read_table(next((tmp_path / "table").rglob("train-*.parquet"))).to_pylist()
    made = json.loads(next(row["provenance"] for row in table if row["id"] == first.id))
    assert made["mask"] == "edited by a person"
    assert {made["mask_sha256"], made["drawn_mask_sha256"]} == {row["mask_sha256"], row["drawn_mask_sha256"]}
    assert verify(run.path, silent).whole
    assert regenerate(run.path, first.id).equal
    assert "edited by a person" in (run.folder.report / "index.html").read_text()
    record.path(run.path, "mask").write_bytes(b"")
    assert verify(run.path, silent).samples == (first.id,)
    with pytest.raises(RunError, match="put the mask back as you edited it, or leave it out: flawsmith drop"):
        export(run.path, "mvtec", tmp_path / "again")


def test_only_the_last_edit_of_a_mask_is_kept_in_the_run(finished):
    first = finished.manifest[0].id
    with open_desk(finished.path, silent) as desk:
        for shift in range(3):
            desk.edit(first, png_bytes(np.roll(other_mask(), -shift, axis=0)))
        assert len(list(finished.folder.edited.rglob("*.png"))) == 3
        desk.finish(silent)
    assert len(list(finished.folder.edited.rglob("*.png"))) == 1
    assert verify(finished.path, silent).whole


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_decisions_of_a_review_that_was_killed_are_taken_in_by_whoever_opens_the_run_next(cut, finished):
    ids = [record.id for record in finished.manifest]
    with open_desk(finished.path, silent) as desk:
        desk.mark({ids[0]: "rejected"})
        desk.mark({ids[1]: "rejected"})
    log = finished.folder.decision_log
    log.write_bytes(log.read_bytes()[: -cut or None])
    assert "decisions.log has decisions that the dataset does not hold yet" in verify(finished.path, silent).lines()[0]
    run = Run(finished.path)
    assert run.dropped == ids[: 1 if cut else 2]
    assert len(read_manifest(run.folder.manifest)[0]) == 12 - len(run.dropped)
    assert not log.exists()
    assert verify(run.path, silent).whole


def test_a_line_of_the_log_that_was_changed_is_named(finished):
    with open_desk(finished.path, silent) as desk:
        desk.mark({finished.manifest[0].id: "accepted", finished.manifest[1].id: "accepted"})
    log = finished.folder.decision_log
    log.write_bytes(log.read_bytes().replace(b"accepted", b"rejected", 1))
    with pytest.raises(RunError, match=r"decisions.log is damaged in line 1 \(its sha256 is another\)"):
        Run(finished.path)


def test_other_processes_are_kept_out_while_a_review_is_open(finished):
    with open_desk(finished.path, silent), pytest.raises(WriterError, match="another process works in"):
        reject(finished, finished.manifest[0].id)


def test_decisions_saved_on_a_page_are_applied(finished, tmp_path):
    first, second, third = (record.id for record in finished.manifest[:3])
    with open_desk(finished.path, silent) as desk:
        key = desk.key
    file = tmp_path / "decisions.json"
    masks = {third: base64.b64encode(png_bytes(other_mask())).decode()}
    file.write_text(
        json.dumps({"flawsmith": "decisions", "run": key, "marks": {first: "rejected", second: None}, "masks": masks})
    )
    answer = CliRunner().invoke(app, ["review", str(finished.path), "--apply", str(file), "--json"])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert (told["kept"], told["rejected"], told["edited"]) == (11, [first], [third])


@pytest.mark.parametrize(
    ("entry", "message"),
    {
        "[": "cannot be read as decisions",
        "[]": "holds no decisions",
        '{"flawsmith": "decisions", "run": "0"}': "has the decisions of another run",
        '{"flawsmith": "decisions", "run": "KEY", "marks": []}': "marks and masks are wanted as values",
        '{"flawsmith": "decisions", "run": "KEY", "marks": {"tile-crack-00001": "fine"}}': "'fine' is no decision",
        '{"flawsmith": "decisions", "run": "KEY", "marks": {"tile-crak-00001": "rejected"}}': "did you mean",
        '{"flawsmith": "decisions", "run": "KEY", "masks": {"tile-crack-00001": "?"}}': "is no base64",
        '{"flawsmith": "decisions", "run": "KEY", "masks": {"tile-crack-00001": "AAAA"}}': "no PNG",
    }.items(),
)
def test_a_file_that_does_not_fit_the_run_is_refused_and_changes_nothing(entry, message, finished, tmp_path):
    before, file = tree(finished.path), tmp_path / "decisions.json"
    with open_desk(finished.path, silent) as desk:
        file.write_text(entry.replace("KEY", desk.key))
        with pytest.raises(RecipeError, match=message):
            desk.apply(read_handed(file, desk.key))
    assert tree(finished.path) == before


def test_a_file_is_applied_as_a_whole_or_not_at_all(finished):
    first = finished.manifest[0].id
    with open_desk(finished.path, silent) as desk, pytest.raises(RecipeError):
        desk.apply(Handed({first: "rejected"}, {first: b"no mask"}))
    assert not finished.folder.decision_log.exists()


def test_labels_in_points_are_no_mask_to_edit(finished):
    record = finished.manifest[0]
    files = {**record.files, "cloud": record.files["image"]}
    with pytest.raises(RecipeError, match="has its labels in its points"):
        read_mask(replace(record, files=files), finished.path, png_bytes(other_mask()))
