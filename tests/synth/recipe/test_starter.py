"""Starter recipes load and run as they are written, whatever the folder holds and is called."""

import shlex
from pathlib import Path

import pytest
import trimesh

from synth.pipeline.preview import preview
from synth.pipeline.runs import run
from synth.recipe import load_recipe
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
