"""Samples that a person leaves out of a run, or deletes by hand."""

import json

import pytest
from typer.testing import CliRunner

from eval.quality.report import describe
from synth import generators
from synth.cli.main import app
from synth.cli.summary import Summary
from synth.errors import RecipeError, RunError
from synth.pipeline.preparation import silent
from synth.pipeline.runs import Run, export, run, show
from synth.pipeline.verify import verify
from tests.synth.blobs import BLOBS, recipe_for, run_blobs, tree, write_source

QUOTA = {"request": {"per_defect": 3}, "output": {"format": ["mvtec", "parquet"]}}


@pytest.fixture(autouse=True)
def _blobs(monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)


@pytest.fixture
def finished(tmp_path) -> Run:
    return run_blobs(write_source(tmp_path / "source"), tmp_path / "out", **QUOTA)


def test_a_dropped_sample_is_in_nothing_that_is_made_of_the_run_and_comes_back_as_it_was(finished, tmp_path):
    before, first = tree(finished.path), finished.manifest[0]
    finished.drop([first.id])
    assert first.id not in {record.id for record in finished.manifest}
    assert finished.dropped == [first.id]
    assert len(finished.manifest) == len(list(finished.samples())) == 5
    assert not [name for name in tree(finished.path) if name.startswith("data/") and first.id in name]
    assert verify(finished.path, silent).whole
    export(finished.path, "mvtec", tmp_path / "exported")
    assert not list((tmp_path / "exported").rglob(f"{first.id}*"))
    page = show(finished.path).read_text()
    assert f'data-id="{first.id}" data-status="accepted" data-mark="dropped"' in page
    assert "1 dropped by hand" in page
    assert any("dropped by hand: 1" in line for line in Summary(finished, 1.0).lines())
    finished.drop([first.id], restore=True)
    assert tree(finished.path) == before


def test_dropping_is_the_same_in_any_order_and_survives_growth(finished, tmp_path):
    ids = [record.id for record in finished.manifest]
    finished.drop(ids[:1])
    finished.drop(ids[4:])
    grown = {**QUOTA, "request": {"per_defect": 4}}
    again = run_blobs(tmp_path / "source", finished.path, **grown)
    fresh = run_blobs(tmp_path / "source", tmp_path / "fresh", **grown)
    fresh.drop([*ids[4:], ids[0]])
    assert tree(again.path) == tree(fresh.path)
    assert len(again.manifest) == 8 - 3  # a dropped one counts towards the quota


def test_ids_that_cannot_be_dropped_or_restored_are_refused_and_change_nothing(finished):
    before = tree(finished.path)
    first = finished.manifest[0].id
    for ids, restore, message in (
        ([first, "tile-crak-00001"], False, "tile-crak-00001 is no accepted sample of this run; did you mean"),
        ([first], True, f"{first} was not dropped"),
    ):
        with pytest.raises(RecipeError, match=message):
            finished.drop(ids, restore=restore)
        assert tree(finished.path) == before


VERBS = {
    "show": show,
    "export": lambda path: export(path, "parquet", path.parent / "exported"),
    "eval": lambda path: describe(Run(path).samples(), None),
    "samples": lambda path: list(Run(path).samples()),
}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_sample_deleted_by_hand_is_named_with_the_remedy_by_every_verb(verb, finished):
    first = finished.manifest[0]
    first.path(finished.path, "mask").unlink()
    with pytest.raises(RunError) as raised:
        VERBS[verb](finished.path)
    assert f"{first.id}_mask.png is gone; run the same recipe again to make it anew, or leave it out: " in str(
        raised.value
    )
    assert f"flawsmith drop {finished.path} {first.id}" in str(raised.value)


def test_verify_names_the_samples_that_were_deleted_and_either_remedy_makes_the_run_whole(finished, tmp_path):
    first, *_, last = finished.manifest
    for record in (first, last):
        for kind in record.files:
            record.path(finished.path, kind).unlink()
    assert verify(finished.path, silent).lines()[-1].endswith(f"flawsmith drop {finished.path} {first.id} {last.id}")
    with pytest.raises(RunError, match=f"{last.id}.png is gone"):
        finished.drop([first.id])
    assert finished.folder.manifest.exists()
    finished.drop([first.id, last.id])
    assert verify(finished.path, silent).whole
    show(finished.path)
    export(finished.path, "mvtec", tmp_path / "exported")
    with pytest.raises(RunError, match="make them anew with: flawsmith run"):
        finished.drop([first.id], restore=True)
    again = run(recipe_for(tmp_path / "source", **QUOTA), finished.path)
    ids = {record.id for record in again.manifest}
    assert first.id in ids
    assert last.id not in ids
    assert verify(again.path, silent).whole


def test_the_command_drops_and_restores(finished):
    first, second = (record.id for record in finished.manifest[:2])
    answer = CliRunner().invoke(app, ["drop", str(finished.path), first, second, "--json"])
    assert json.loads(answer.stdout)["dropped"] == [first, second]
    answer = CliRunner().invoke(app, ["drop", str(finished.path), first, "--restore"])
    assert "5 pairs of image and mask, 1 dropped" in answer.stdout
    assert CliRunner().invoke(app, ["drop", str(finished.path), "tile"]).exit_code == 2
