"""Starter recipes load and run as they are written, whatever the folder holds and is called."""

import re
import shlex
from pathlib import Path

import pytest
import trimesh
from typer.testing import CliRunner

from synth.cli.main import app
from synth.errors import RecipeError
from synth.pipeline.preview import preview
from synth.pipeline.runs import run
from synth.recipe import Recipe, load_recipe
from synth.recipe.starter import write_starter
from tests.synth.sources.test_rgbd_trees import eyecandies_tree, mvtec_3d_tree
from tests.synth.trees import folder_tree


def meshes(root: Path) -> Path:
    root.mkdir()
    for number in range(2):
        trimesh.creation.icosphere(subdivisions=3, radius=15 + number).export(root / f"{number}.stl")
    return root


@pytest.mark.parametrize("build", [meshes, mvtec_3d_tree, eyecandies_tree])
def test_a_starter_for_data_with_geometry_runs_without_shots(tmp_path, build):
    file = write_starter(build(tmp_path / "parts"), tmp_path / "parts.yaml")
    whole = load_recipe(file)
    assert whole.generator.kind == "dual"
    assert preview(whole, lambda *_: None).planned
    few = ["generator.types=[dent]", "generator.defects={}", "request.per_defect=1", "generator.draw_batch=1"]
    finished = run(load_recipe(file, few), tmp_path / "out")
    assert {sample.defect for sample in finished.samples()} == {"dent"}


SUITED = [
    (folder_tree, None, {"kind": "seas", "freedom": 0.0}),
    (folder_tree, "copy_paste", {"kind": "copy_paste"}),
    (folder_tree, "seas", {"kind": "seas", "freedom": 0.3}),
    (mvtec_3d_tree, "copy_paste", {"kind": "copy_paste"}),
    (mvtec_3d_tree, "dual", {"kind": "dual"}),
    (eyecandies_tree, "dual", {"kind": "dual"}),
    (meshes, "dual", {"kind": "dual"}),
]


@pytest.mark.parametrize(("build", "generator", "chosen"), SUITED)
def test_a_starter_for_a_generator_is_valid_and_the_command_says_so(tmp_path, build, generator, chosen):
    root, file = build(tmp_path / "parts"), tmp_path / "parts.yaml"
    asked = [] if generator is None else ["--generator", generator]
    done = CliRunner().invoke(app, ["recipe", "init", str(root), "--to", str(file), *asked])
    assert done.exit_code == 0, done.stderr
    assert CliRunner().invoke(app, ["recipe", "validate", str(file)]).exit_code == 0
    assert chosen.items() <= load_recipe(file).generator.model_dump().items()


def test_a_starter_of_dual_draws_on_clouds_what_clouds_can_show(tmp_path):
    scans, clouds = (
        load_recipe(write_starter(build(tmp_path / name), tmp_path / f"{name}.yaml", "dual")).generator.types
        for name, build in (("scans", mvtec_3d_tree), ("clouds", meshes))
    )
    assert {"stain", "deposit"} <= set(scans)
    assert not {"stain", "deposit"} & set(clouds)


@pytest.mark.parametrize(
    ("build", "generator", "words"),
    [
        (folder_tree, "dual", "dual needs depth or points; take --generator copy_paste"),
        (meshes, "seas", "seas needs images; take --generator dual"),
        (meshes, "copy_paste", "copy_paste needs images; take --generator dual"),
        (folder_tree, "copypaste", "did you mean copy_paste?"),
    ],
)
def test_a_generator_that_cannot_use_the_data_is_refused_before_anything_is_written(tmp_path, build, generator, words):
    with pytest.raises(RecipeError, match=re.escape(words)):
        write_starter(build(tmp_path / "parts"), tmp_path / "parts.yaml", generator)
    assert not (tmp_path / "parts.yaml").exists()


@pytest.mark.parametrize(
    ("folder", "name"),
    [("my tiles (v2)", "my_tiles__v2_"), ("Größe", "Gr__e"), ("_.-tiles", "tiles"), ("部品", "recipe"), ("a.b", "a.b")],
)
def test_any_folder_gives_a_recipe_with_a_name_and_commands_that_a_shell_takes(tmp_path, folder, name):
    file = write_starter(folder_tree(tmp_path / folder), tmp_path / f"{folder}.yaml")
    assert load_recipe(file).name == name
    commands = [line for line in file.read_text(encoding="utf-8").splitlines() if "flawsmith run" in line]
    assert len(commands) == 2
    for line in commands:
        words = shlex.split(line.partition(": ")[2])
        assert words[:3] == ["flawsmith", "run", str(file)]


HOSTILE = [
    "a\ngenerator: {base: evil}",
    "a\r\nseed: 7\r\n#",
    "a\u2028seed: 7",
    "a\x85seed: 7 \U0001f600",
    "\x1b[31mred\x9b2J\x07",
    "txt\u202egnp",
    "tab\there \x7f",
    "quote\" ' : # {[]} *a &b %c @d `e` \\ ",
    "? - !!str |",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_folder_writes_a_line_of_the_recipe(tmp_path, name):
    plain = write_starter(folder_tree(tmp_path / "plain"), tmp_path / "plain.yaml")
    root = folder_tree(tmp_path / name)
    file = write_starter(root, tmp_path / f"{name}.yaml")
    loaded = load_recipe(file)
    assert loaded.source.root == root.resolve()
    usual = load_recipe(plain)
    assert loaded.model_copy(update={"name": usual.name, "source": usual.source}) == usual
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(plain.read_text(encoding="utf-8").splitlines())
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_product_or_defect_writes_a_line_of_the_resolved_recipe(tmp_path, name):
    asked = Recipe.model_validate({"name": "tiles", "request": {"defects": [name, "crack"], "products": [name]}})
    text = asked.to_yaml()
    assert text.replace("\n", "").isprintable()
    (tmp_path / "tiles.yaml").write_text(text, encoding="utf-8")
    assert load_recipe(tmp_path / "tiles.yaml") == asked


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path):
    root = tmp_path / "\udcff"
    root.mkdir()
    with pytest.raises(RecipeError, match="is not UTF-8 text"):
        write_starter(root, tmp_path / "a.yaml")
