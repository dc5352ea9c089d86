"""The command: fast to answer, one sentence an error, and an exit code that a script can trust."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from typer.testing import CliRunner

from synth.cli.arguments import beside
from synth.cli.main import app
from synth.errors import RunError, SourceError
from synth.pipeline import runs
from synth.pipeline.journal import Yield
from synth.recipe import load_recipe

HEAVY = ("torch", "diffusers", "transformers", "datasets", "open3d", "numpy", "scipy", "PIL", "pyarrow")


def flawsmith(*arguments: str | Path):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def plain_recipe(tmp_path) -> Path:
    file = tmp_path / "plain.yaml"
    file.write_text("source: {kind: procedural}\nrequest: {per_defect: 3}\n")
    return file


@pytest.fixture
def made(monkeypatch, tmp_path) -> list[tuple]:
    """What the pipeline was asked for, with one that answers at once in its place."""
    asked: list[tuple] = []

    def stand_in(recipe, out, progress, *_):
        asked.append((recipe, out))
        progress("drawing", 2, 2)
        return SimpleNamespace(
            path=tmp_path / "run",
            folder=SimpleNamespace(report=tmp_path / "run" / "report"),
            manifest=[object()] * 5,
            yields=[Yield("tile", "crack", 5, 1, {"blank_mask": 2})],
            shortfalls=["tile/pit: 0 of 3"],
            inferred=["tile: defects are turned by any angle"],
            validation={"tile/crack": 2},
        )

    monkeypatch.setattr(runs, "run", stand_in)
    return asked


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["recipe", "--help"]])
def test_help_answers_within_half_a_second_and_loads_nothing_heavy(arguments):
    code = (
        "import sys\nfrom synth.cli.main import app\n"
        f"try:\n    app({arguments!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Time of its own, so that a busy machine does not count.
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "Usage:" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
    assert min(seconds) < 0.5


def test_checking_a_recipe_loads_no_torch(plain_recipe):
    code = f"import sys, synth\nsynth.load_recipe({str(plain_recipe)!r})\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_run_hands_recipe_and_place_to_the_pipeline_and_shows_what_came_of_it(plain_recipe, made, tmp_path):
    done = flawsmith("run", plain_recipe, "--set", "request.per_defect=7", "--set", "seed=2", "--out", tmp_path / "o")
    assert done.exit_code == 0
    assert made == [(load_recipe(plain_recipe, ["request.per_defect=7", "seed=2"]), tmp_path / "o")]
    assert "tile/crack" in done.stdout
    assert "5 accepted of 8 drawn" in done.stdout
    assert "blank_mask 2" in done.stdout
    assert "tile/pit: 0 of 3" in done.stdout
    assert "tile: defects are turned by any angle" in done.stdout
    assert "shots kept for validation: 2 of tile/crack" in done.stdout
    assert str(tmp_path / "run" / "report" / "index.html") in done.stdout
    assert re.fullmatch(r"\d\d:\d\d:\d\d drawing: 2 of 2\n", done.stderr)


def test_run_answers_programs_in_json_alone(plain_recipe, made):
    answer = json.loads(flawsmith("run", plain_recipe, "--json").stdout)
    assert answer["accepted"] == 5
    assert answer["yields"][0] == {
        "product": "tile",
        "defect": "crack",
        "accepted": 5,
        "attempts": 8,
        "rejected": {"blank_mask": 2},
    }


def test_demo_runs_three_recipes_the_quickest_first_and_reports_each_as_it_ends(made, tmp_path):
    done = flawsmith("demo")
    assert done.exit_code == 0
    assert made == [(load_recipe(name), None) for name in ("demo_pasted", "demo", "demo_3d")]
    assert done.stdout.count("look at them: ") == 3
    answer = json.loads(flawsmith("demo", "--out", tmp_path / "mine", "--json").stdout)
    assert [out for _, out in made[3:]] == [tmp_path / name for name in ("mine_pasted", "mine", "mine_3d")]
    assert {name: result["accepted"] for name, result in answer.items()} == {"pasted": 5, "drawn": 5, "with_depth": 5}


@pytest.mark.parametrize(
    ("trouble", "code", "words"),
    [
        (SourceError("tiles/a.png has no mask; add tiles/a_mask.png"), 2, "tiles/a.png has no mask"),
        (RunError("nothing was accepted"), 1, "nothing was accepted"),
        (ValueError("seven"), 1, "ValueError: seven (run again with --debug"),
        (KeyboardInterrupt(), 130, "interrupted: the same command resumes"),
    ],
)
def test_trouble_is_one_sentence_and_an_exit_code(plain_recipe, monkeypatch, trouble, code, words):
    def fail(*_):
        raise trouble

    monkeypatch.setattr(runs, "run", fail)
    done = flawsmith("run", plain_recipe)
    assert done.exit_code == code
    assert done.stderr.startswith(words)
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_debug_anywhere_gives_the_traceback(plain_recipe, monkeypatch):
    def fail(*_):
        raise SourceError("no mask")

    monkeypatch.setattr(runs, "run", fail)
    for arguments in (["--debug", "run", plain_recipe], ["run", plain_recipe, "--debug"]):
        done = flawsmith(*arguments)
        assert done.exit_code == 2
        assert done.stderr.startswith("Traceback")
        assert done.stderr.endswith("SourceError: no mask\n")


@pytest.mark.parametrize(
    "arguments", [["rum"], ["run"], ["run", "demo", "--sett", "a=1"], ["recipe", "validate"], ["show"]]
)
def test_wrong_use_is_exit_code_2(arguments):
    assert flawsmith(*arguments).exit_code == 2


def test_a_recipe_with_mistakes_is_exit_code_2_for_every_verb_that_reads_one(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("sead: 1\ngenerator: {stepps: 2}\n")
    for verb in (["run"], ["run", "--dry-run"], ["recipe", "validate"], ["recipe", "show"]):
        done = flawsmith(*verb, file)
        assert done.exit_code == 2
        assert done.stderr.splitlines() == [
            "bad.yaml:1: sead is unknown; did you mean seed?",
            "bad.yaml:2: generator.stepps is unknown; did you mean generator.steps?",
        ]


def test_validate_and_show_agree_with_the_loaded_recipe(plain_recipe, tmp_path):
    assert load_recipe(plain_recipe).sha256 in flawsmith("recipe", "validate", plain_recipe).stdout
    shown = tmp_path / "shown.yaml"
    shown.write_text(flawsmith("recipe", "show", plain_recipe, "--set", "seed=8").stdout)
    assert load_recipe(shown) == load_recipe(plain_recipe, ["seed=8"])


def test_the_schema_is_json_and_names_units():
    schema = json.loads(flawsmith("recipe", "schema").stdout)
    assert schema["$defs"]["RequestConfig"]["properties"]["per_defect"]["unit"] == "samples"


def test_a_dry_run_counts_what_would_be_made_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "small.yaml"
    file.write_text(
        "source: {kind: procedural, products: [flange], good_images: 3, shots_per_defect: 2, test_per_defect: 1,"
        " size: [61, 83]}\n"
        "generator: {kind: seas, freedom: 0.3}\n"
        "request: {per_defect: 4, defects: [dent, rust], max_attempts: 2}\n"
        "output: {format: parquet}\n"
    )
    before = sorted(tmp_path.rglob("*"))
    done = flawsmith("run", file, "--dry-run", "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [(p["defect"], p["shots"], p["wanted"], p["most_drawn"]) for p in answer["planned"]] == [
        ("dent", 2, 4, 8),
        ("rust", 2, 4, 8),
    ]
    assert answer["good_images"] == {"flange": 3}
    assert 0 < answer["disk_mb"] < 1
    assert answer["forecast"]["minutes"] > 0.1
    assert 20 < answer["forecast"]["model_mb"] < 200
    text = flawsmith("run", file, "--dry-run", "--set", "generator={kind: copy_paste}").stdout
    assert "would make 8 pairs" in text
    assert "about a minute on this machine, by a short trial" in text
    assert sorted(tmp_path.rglob("*")) == before


def test_inspect_says_to_programs_and_people_whether_a_folder_can_be_used(tmp_path):
    done = flawsmith("inspect", tmp_path / "nowhere")
    assert done.exit_code == 2
    assert "nowhere" in done.stdout
    assert json.loads(flawsmith("inspect", tmp_path / "nowhere", "--json").stdout)["usable"] is False


@pytest.mark.parametrize("verb", [["show"], ["regenerate"]])
def test_a_folder_that_is_no_run_is_exit_code_2(tmp_path, verb):
    rest = ["tile-crack-00001"] if verb == ["regenerate"] else []
    done = flawsmith(*verb, tmp_path, *rest)
    assert done.exit_code == 2
    assert "is not a run" in done.stderr


@pytest.mark.parametrize(("equal", "code"), [(True, 0), (False, 1)])
def test_regenerate_fails_when_the_sample_came_out_different(tmp_path, monkeypatch, equal, code):
    import synth.pipeline.regenerate as again

    found = SimpleNamespace(equal=equal, to_json=lambda: {"equal": equal})
    monkeypatch.setattr(again, "regenerate", lambda path, sample_id, progress: found)
    done = flawsmith("regenerate", tmp_path, "tile-crack-00001", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (code, {"equal": equal})


def test_recipe_init_writes_a_recipe_for_a_folder_that_can_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert flawsmith("recipe", "init", "nowhere").exit_code == 2
    assert list(tmp_path.iterdir()) == []
    for name in ("good/a.png", "crack/b.png", "masks/crack/b.png"):
        file = tmp_path / "tiles" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (53, 37), 255).save(file)
    done = flawsmith("recipe", "init", "tiles")
    assert done.exit_code == 0, done.stderr
    assert load_recipe(tmp_path / "tiles.yaml").source.root == tmp_path / "tiles"


def test_export_writes_the_run_beside_itself_in_the_format_asked_for(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(runs, "export", lambda *arguments: asked.append(arguments))
    result = CliRunner().invoke(app, ["export", str(tmp_path / "demo"), "--format", "parquet"])
    assert result.exit_code == 0
    assert asked == [(tmp_path / "demo", "parquet", tmp_path / "demo-parquet")]
    assert "demo-parquet" in result.output


def test_a_run_named_by_a_dot_has_its_neighbour_beside_it(tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path / "demo")
    assert beside(Path(), "-parquet") == tmp_path / "demo-parquet"
    assert beside(Path("outputs/demo"), "-parquet") == Path("outputs/demo-parquet")
