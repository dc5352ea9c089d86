"""From a study file to runs, trainings and a pooled answer; and from runs that exist."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from eval.study import pooled_study, trainings
from eval.study.plan import existing_conditions, planned_conditions, read_plan, undrawn
from eval.study.pooled_study import run_pooled
from eval.study.settings import parse_settings
from eval.study.study import Conduct, Study
from synth import generators
from synth.checks.ledger import read_ledger
from synth.cli.main import app
from synth.errors import EvalError
from synth.pipeline.preparation import silent
from synth.pipeline.runs import Run
from synth.recipe import Recipe
from tests.synth.blobs import BLOBS, recipe_for

TINY = ["width=0.25", "resolution=32", "steps=3", "batch=4", "validate_every=3"]


@pytest.fixture(scope="module", autouse=True)
def blobs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        patch.setattr("synth.pipeline.forecast.LEAST_SECONDS", 0.0)
        yield


def write_plan(folder: Path, source: Path, **changes) -> Path:
    """A study of the blob recipe, two draws of four shots and all of them."""
    block = {"kind": "folder", "root": str(source), "product": "tile", "test_fraction": 0.5, "foreground": "whole"}
    recipe = Recipe.model_validate(recipe_for(source).model_dump(mode="json") | {"name": "tile", "source": block})
    (folder / "tile.yaml").write_text(recipe.to_yaml())
    plan = {
        "name": "tiny",
        "sets": [{"recipe": "tile.yaml", "overrides": ["request.per_defect=3"], "shots": [4, 99]}],
        "draws": 2,
        "seeds": 1,
        "segmenters": ["lfd"],
        "settings": TINY,
        "training_sets": ["copy_paste", "ours_real"],
    } | changes
    file = folder / "plan.yaml"
    file.write_text(yaml.safe_dump(plan))
    return file


def conditions_of(file: Path, folder: Path):
    plan = read_plan(file)
    return planned_conditions(plan, file, folder), Study(parse_settings(["lfd"], plan.settings), plan.compared, 2)


@pytest.fixture(scope="module")
def done(source, tmp_path_factory):
    """A study that was killed in a training and once more while it measured, and its folder."""
    folder = tmp_path_factory.mktemp("pooled")
    conditions, study = conditions_of(write_plan(folder, source), folder / "out")

    def killed(stop):
        def watch(stage, done, total):
            if stop in stage and done == 1:
                raise KeyboardInterrupt

        return Conduct(watch)

    for stop in ("draw 1: trainings", "99 shots, draw 0: measuring"):
        with pytest.raises(KeyboardInterrupt):
            run_pooled("tiny", conditions, study, folder / "out", killed(stop), leave_one_out=True)
    told = []
    judged = run_pooled("tiny", conditions, study, folder / "out", Conduct(silent, tell=told.append), True)
    return judged, folder, told


def test_every_condition_and_draw_has_a_run_of_its_own_shots(done):
    judged, folder, _ = done
    assert [(one.name, len(one.draws)) for one in judged.conditions] == [("tile, 4 shots", 2), ("tile, 99 shots", 1)]
    assert judged.notes == ["tile, 99 shots: no defect type has more shots, so there is one draw"]
    shots = []
    for place in ("tile-4-shots/0", "tile-4-shots/1", "tile-99-shots/0"):
        rows = read_ledger(Run(folder / "out" / "runs" / place).folder.ledger)
        shots.append({row.id for row in rows if row.role in ("shot", "validation")})
        assert len([row for row in rows if row.role == "test"]) == 16
    assert [len(some) for some in shots] == [8, 8, 12]
    assert shots[0] != shots[1]


def test_the_answer_is_complete_and_says_beforehand_how_long_it_takes(done):
    _, folder, told = done
    assert len(told) == 1
    assert told[0].startswith("3 runs to make and 54 trainings, about a minute on this machine")
    stored = json.loads((folder / "out" / "study.json").read_text())
    assert Counter(row["condition"] for row in stored["trainings"]) == {"tile, 4 shots": 12, "tile, 99 shots": 6}
    assert {g["what"] for g in stored["gains"]} == {"all conditions", "tile, 4 shots", "tile, 99 shots"}
    assert {g["what"] for g in stored["unseen_types"]} == {g["what"] for g in stored["gains"]}
    assert stored["conditions"][0]["test_images"] == {"crack": 6, "stain": 6}
    assert (folder / "out" / "study.svg").read_text().startswith("<svg")
    assert "## Unseen" in (folder / "out" / "study.md").read_text()
    assert str(folder) not in (folder / "out" / "study.md").read_text() + (folder / "out" / "study.json").read_text()


def test_a_finished_study_trains_and_draws_nothing_again(done, source, monkeypatch):
    judged, folder, _ = done
    conditions, study = conditions_of(folder / "plan.yaml", folder / "out")
    for module, name in ((trainings.Training, "run"), (pooled_study, "study_forecast")):
        monkeypatch.setattr(module, name, None)
    again = run_pooled("tiny", conditions, study, folder / "out", Conduct(silent, tell=print), True)
    assert again.to_json() == judged.to_json()
    with pytest.raises(EvalError, match="holds another study"):
        run_pooled("tiny", conditions[:1], study, folder / "out", Conduct(silent))


def test_sets_that_differ_in_the_generator_alone_share_the_trainings_of_real_shots(done, source, tmp_path):
    paste = {"recipe": "tile.yaml", "name": "paste", "overrides": ["generator={kind: copy_paste}"], "shots": [4]}
    blob = {"recipe": "tile.yaml", "name": "blob", "shots": [4]}
    conditions, study = conditions_of(write_plan(tmp_path, source, sets=[blob, paste], draws=1), tmp_path / "out")
    judged = run_pooled("tiny", conditions, study, tmp_path / "out", Conduct(silent))
    trained = list((tmp_path / "out" / "trained" / "lfd").iterdir())
    assert len({one.key for one in judged.conditions}) == 1
    assert len(trained) == judged.training["trainings"] == 2 * 3  # pasted by ours or by the baseline is the same


def test_runs_that_differ_in_the_draw_alone_are_draws_of_one_condition(done, tmp_path):
    _, folder, _ = done
    runs = [folder / "out" / "runs" / place for place in ("tile-4-shots/0", "tile-4-shots/1", "tile-99-shots/0")]
    conditions = existing_conditions(runs)
    assert [(one.name, len(one.draws)) for one in conditions] == [("tile, 4 shots", 2), ("0, 99 shots", 1)]
    assert len({one.images for one in conditions}) == 1


def test_each_draw_has_other_validation_shots_samples_and_seeds_unless_the_seed_draws_the_test_images(source, tmp_path):
    for fraction in (0.0, 0.5):
        (tmp_path / str(fraction)).mkdir()
        sets = [{"recipe": "tile.yaml", "overrides": [f"source.test_fraction={fraction}"], "shots": [4]}]
        file = write_plan(tmp_path / str(fraction), source, sets=[*sets, {**sets[0], "shots": []}], draws=3)
        conditions, study = conditions_of(file, tmp_path)
        assert [one.name for one in conditions] == ["tile, 4 shots", "tile, all shots"]
        for condition in conditions:
            recipes = [draw.recipe for draw in condition.draws]
            assert [recipe.seed for recipe in recipes] == ([3, 3, 3] if fraction else [3, 4, 5])
            assert [recipe.source.shots_draw for recipe in recipes] == [0, 1, 2]
            assert len({undrawn(recipe).sha256 for recipe in recipes}) == 1
    seeds = [pooled_study._of_draw(study, draw).config("lfd", "real", seed).seed for draw in (0, 1) for seed in (0, 1)]
    assert seeds == [0, 1, 2, 3]


def test_settings_of_a_set_count_for_its_trainings_alone(source, tmp_path):
    sets = [{"recipe": "tile.yaml", "shots": [4]}, {"recipe": "tile.yaml", "settings": ["resolution=64"]}]
    conditions, study = conditions_of(write_plan(tmp_path, source, sets=sets), tmp_path)
    configs = [study.on(one.settings).config("lfd", "real", 0) for one in conditions]
    assert [(config.resolution, config.steps) for config in configs] == [(32, 3), (64, 3)]


def test_the_command_forecasts_looks_quickly_and_pools(done, source, tmp_path):
    _, folder, _ = done
    dry = CliRunner().invoke(
        app, ["eval", "study", str(folder / "plan.yaml"), "--dry-run", "--out", str(tmp_path / "dry")]
    )
    assert dry.exit_code == 0, dry.stderr
    assert "tile, 4 shots: 2 draws" in dry.stdout
    assert "3 runs to make and 9 trainings, about a minute" in dry.stdout
    assert not (tmp_path / "dry").exists()
    run = str(folder / "out" / "runs" / "tile-4-shots" / "0")
    tiny = [part for setting in TINY for part in ("--set", setting)]
    quick = ["eval", "study", run, "--segmenter", "lfd", "--quick", *tiny, "--out", str(tmp_path / "quick"), "--json"]
    answer = CliRunner().invoke(app, quick)
    assert answer.exit_code == 0, answer.stderr
    assert json.loads(answer.stdout)["quick"] == "quick look, no interval: one training each"
    assert "0 runs to make and 3 trainings" in answer.stderr


def test_a_quick_verdict_and_one_on_unseen_types(done, tmp_path):
    _, folder, _ = done
    run = str(folder / "out" / "runs" / "tile-4-shots" / "0")
    tiny = [part for setting in TINY for part in ("--set", setting)]
    common = ["eval", "verdict", run, "--quick", *tiny, "--json", "--out", str(tmp_path / "quick")]
    answer = CliRunner().invoke(app, common)
    assert answer.exit_code == 0, answer.stderr
    judged = json.loads(answer.stdout)
    assert judged["training_sets"] == ["real", "copy_paste", "ours_real"]
    assert judged["quick"].startswith("quick look")
    assert "3 trainings, about a minute on this machine" in answer.stderr
    for kind, code in (("all", 0), ("crack", 0), ("crak", 2)):
        answer = CliRunner().invoke(app, [*common, "--leave-one-out", kind])
        assert answer.exit_code == code
        if not code:
            assert (
                {gain["images"] for gain in json.loads(answer.stdout)["unseen_types"]} == {6, 12}
                if kind == "all"
                else {6}
            )
    assert "defect type 'crak' cannot be left out" in answer.stderr
    assert "did you mean crack" in answer.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sets": []}, "names no sets"),
        ({"sead": 3}, "sead: .*the fields are name, sets"),
        ({"sets": [{"recipe": "tile.yaml", "shot": [3]}]}, r"sets\.0\.shot: .*the fields are recipe, name"),
        ({"sets": [{"recipe": "tile.yaml"}, {"recipe": "tile.yaml"}]}, "has two sets that are 'tile, all shots'"),
        ({"training_sets": ["our"]}, "training set 'our' is unknown"),
        ({"settings": ["steps"]}, "wanted KEY=VALUE"),
        ({"sets": [{"recipe": "tile.yaml", "settings": ["step=3"]}]}, "lfd has no parameter step"),
        ({"settings": ["step=3"]}, "lfd has no parameter step"),
    ],
)
def test_what_is_wrong_in_a_study_file_is_said_in_one_line(source, tmp_path, changes, message):
    file = write_plan(tmp_path, source, **changes)
    done = CliRunner().invoke(app, ["eval", "study", str(file), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert re.search(message, done.stderr)
    assert not (tmp_path / "out").exists()


def test_one_draw_with_one_training_needs_a_quick_look(source, tmp_path):
    file = write_plan(tmp_path, source, draws=1)
    done = CliRunner().invoke(app, ["eval", "study", str(file), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "has one draw and one training; give more seeds or draws, or --quick" in done.stderr
    assert not (tmp_path / "out").exists()
