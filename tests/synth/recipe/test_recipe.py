"""Recipes: what is written is what is run, and every mistake is reported with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from synth.errors import RecipeError
from synth.recipe import Recipe, bundled_recipes, differences, load_recipe
from synth.recipe.starter import starter, write_starter
from synth.sources import READERS


def write(folder: Path, text: str, name: str = "tiles.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(file: Path, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as raised:
        load_recipe(file, overrides)
    return str(raised.value).splitlines()


@pytest.mark.parametrize("name", sorted(bundled_recipes()))
def test_a_bundled_recipe_loads_by_its_name(name, tmp_path):
    needs_root = yaml.safe_load(bundled_recipes()[name].read_text())["source"].get("root") == "???"
    recipe = load_recipe(name, [f"source.root={tmp_path}"] if needs_root else [])
    assert recipe.name == name


@pytest.mark.parametrize("name", sorted(bundled_recipes()))
def test_a_bundled_recipe_opens_with_what_it_makes_and_the_command(name):
    head = bundled_recipes()[name].read_text()
    assert head.startswith("# Makes: ")
    assert "# Command: flawsmith " in head


def test_an_empty_recipe_is_the_default_one_named_after_its_file(tmp_path):
    recipe = load_recipe(write(tmp_path, "# nothing yet\n"))
    assert recipe == Recipe(name="tiles")


def test_a_block_whose_every_line_is_commented_out_means_its_defaults(tmp_path):
    assert load_recipe(write(tmp_path, "checks:\n  # max_area: 0.1\n")).checks == Recipe().checks


def test_the_resolved_recipe_loads_as_an_equal_one(tmp_path):
    text = "seed: 4\noutput: {format: [mvtec, parquet]}\nrequest: {defects: [crack]}\n"
    first = load_recipe(write(tmp_path, text))
    again = load_recipe(write(tmp_path, first.to_yaml(), "again.yaml"))
    assert again == first
    assert again.sha256 == first.sha256


def test_the_hash_ignores_spelling_and_sees_every_value(tmp_path):
    plain = write(
        tmp_path, "name: a\nsource: {kind: procedural}\nrequest: {per_defect: 7}\ngenerator: {words: {a: x, b: y}}\n"
    )
    other = write(
        tmp_path,
        "generator:\n  words: {b: y, a: x}\nrequest:\n  per_defect: 7   # seven\nname: a\n"
        "source:\n  kind: procedural\n",
        "b.yaml",
    )
    sha256 = load_recipe(plain).sha256
    assert load_recipe(other).sha256 == sha256
    for change in (
        "seed=4",
        "request.per_defect=8",
        "generator.steps=9",
        "checks.max_area=0.5",
        "source.good_images=9",
    ):
        assert load_recipe(other, [change]).sha256 != sha256, change


def test_differences_name_the_value_that_changed(tmp_path):
    file = write(tmp_path, "name: a\n")
    assert differences(load_recipe(file), load_recipe(file)) == []
    changed = differences(load_recipe(file), load_recipe(file, ["request.per_defect=80", "seed=5"]))
    assert sorted(changed) == ["request.per_defect: 60 -> 80", "seed: 0 -> 5"]


def test_paths_start_from_the_recipe_and_those_of_overrides_from_the_current_folder(tmp_path, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home / "data", home / "model", here / "data"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    file = write(home, "source: {kind: folder, root: data}\ngenerator: {base: model}\n")
    recipe = load_recipe(file)
    assert recipe.source.root == home / "data"
    assert recipe.generator.base == str(home / "model")
    assert load_recipe(file, ["source.root=data"]).source.root == here / "data"
    assert load_recipe(file, ["generator.base=tiny"]).generator.base == "tiny"


def test_an_override_of_the_kind_still_finds_the_recipes_own_paths(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file = write(tmp_path, "source: {root: data}\n")
    assert load_recipe(file, ["source.kind=folder"]).source.root == tmp_path / "data"


def test_overrides_are_read_as_yaml_and_the_last_one_holds(tmp_path):
    file = write(tmp_path, "request: {per_defect: 5}\n")
    recipe = load_recipe(file, ["request.defects=[crack, pit]", "request.per_defect=6", "request.per_defect=7"])
    assert recipe.request.defects == ("crack", "pit")
    assert recipe.request.per_defect == 7


def test_four_mistakes_are_reported_at_once_each_with_its_line(tmp_path):
    file = write(
        tmp_path,
        "name: tiles\ngenerator:\n  guidence: 3\n  steps: many\nrequest:\n  per_defect: 0\noutput: {format: parqet}\n",
    )
    found = mistakes(file)
    assert found[0] == "tiles.yaml:3: generator.guidence is unknown; did you mean generator.guidance?"
    assert found[1].startswith("tiles.yaml:4: generator.steps is 'many', wanted a valid integer")
    assert found[2] == "tiles.yaml:6: request.per_defect is 0, wanted greater than or equal to 1"
    assert found[3].startswith("tiles.yaml:7: output.format is 'parqet', wanted 'mvtec', 'mvtec_3d', 'mvtec_ad_2'")
    assert found[3].endswith(" or a list; did you mean parquet?")
    assert len(found) == 4


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("source: {kind: foldr, root: .}", 1, ["'foldr'", "did you mean folder?"]),
        ("seed: 1\nsource:\n  root: .", 2, ["source has no kind"]),
        ("source:\n  kind: folder", 1, ["source.root is missing", "--set source.root="]),
        ("source: {kind: folder, root: ???}", 1, ["source.root is yours to give", "--set source.root=..."]),
        ("source:\n  kind: folder\n  root: ???", 3, ["source.root is yours to give"]),
        ("request:\n  guidance: 2", 2, ["request.guidance is unknown", "did you mean generator.guidance?"]),
        ("request:\n  qqq: 2", 2, ["request.qqq is unknown", "known here: per_defect"]),
        ("sed: 2", 1, ["sed is unknown", "did you mean seed?"]),
        ("seed: 1\nseed: 2", 2, ["seed is given twice", "tiles.yaml:1"]),
        ("generator:\n  mask_mode: requst", 2, ["'requst'", "did you mean request?"]),
        ("request:\n  defects: 3", 2, ["request.defects is 3", "'all' or a list"]),
        ("output:\n  format: [mvtec, kitti]", 2, ["output.format.1 is 'kitti'"]),
        ("name: ../up", 1, ["name is '../up'", "letters, digits"]),
        ("request: 5", 1, ["request is 5"]),
        ("a: [1, 2", 1, ["not valid YAML"]),
        ("- name: tiles", 1, ["a recipe is a mapping"]),
    ],
)
def test_a_mistake_names_its_line_the_problem_and_the_remedy(tmp_path, text, line, words):
    found = mistakes(write(tmp_path, text))
    assert len(found) == 1
    assert found[0].startswith(f"tiles.yaml:{line}: ")
    for word in words:
        assert word in found[0]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("request.per_defct=3", "did you mean request.per_defect?"),
        ("reqest.per_defect=3", "did you mean request?"),
        ("request.per_defect", "wanted key=value"),
        ("request.per_defect=[", "is not a YAML value"),
        ("name.first=x", "is no block"),
    ],
)
def test_a_mistake_in_an_override_names_the_override(tmp_path, override, words):
    found = mistakes(write(tmp_path, "name: tiles\n"), override)
    assert len(found) == 1
    assert found[0].startswith(f"--set {override}: ")
    assert words in found[0]


def test_what_the_user_must_give_is_asked_for_once_even_where_it_would_not_fit(tmp_path):
    assert mistakes(write(tmp_path, "request:\n  per_defect: ???\n")) == [
        "tiles.yaml:2: request.per_defect is yours to give: add --set request.per_defect=..."
    ]


def test_an_unknown_recipe_names_the_nearest_bundled_one():
    with pytest.raises(RecipeError, match=r"no recipe at demmo; did you mean demo\?"):
        load_recipe("demmo")


def test_bytes_that_are_no_text_are_refused_with_the_file(tmp_path):
    file = tmp_path / "tiles.yaml"
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(RecipeError, match=r"tiles\.yaml"):
        load_recipe(file)


def test_every_value_of_the_schema_says_what_it_means():
    schema = Recipe.model_json_schema()
    blocks = {"Recipe": schema, **schema["$defs"]}
    silent = [
        f"{block}.{name}"
        for block, content in blocks.items()
        for name, value in content["properties"].items()
        if name != "kind" and not value.get("description")
    ]
    assert silent == []


def test_nothing_but_the_source_folder_lacks_a_default():
    schema = Recipe.model_json_schema()
    required = {f"{block}.{name}" for block, c in schema["$defs"].items() for name in c.get("required", [])}
    assert all(name.endswith("Source.root") for name in required), required
    assert {"FolderSource.root", "MvtecAdSource.root"} <= required


@pytest.mark.parametrize("kind", READERS)
def test_a_starter_shows_every_value_and_its_commented_lines_are_the_defaults(kind, tmp_path):
    text = starter(tmp_path, kind, tmp_path / "mine.yaml")
    as_written = load_recipe(write(tmp_path, text, "mine.yaml"))
    all_given = re.sub(r"(?m)^(\s*)# (\w+: )", r"\1\2", "\n".join(text.splitlines()[4:]))
    assert load_recipe(write(tmp_path, all_given, "mine.yaml")) == as_written
    for name in (*type(as_written.source).model_fields, *type(as_written.generator).model_fields):
        assert f"{name}: " in text


def test_a_starter_never_overwrites(tmp_path):
    mine = write(tmp_path, "mine")
    with pytest.raises(RecipeError, match="exists already"):
        write_starter(tmp_path, mine)
    assert mine.read_text() == "mine"
