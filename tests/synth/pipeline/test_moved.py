"""A run whose source, masks, regions or base lie elsewhere now: equal content is accepted, other content named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from eval.study.training_side import read_training_side
from synth import generators
from synth.cli.main import app
from synth.errors import RecipeError, SourceError
from synth.pipeline.places import placeless
from synth.pipeline.preparation import silent
from synth.pipeline.regenerate import regenerate
from synth.pipeline.runs import Run, run
from synth.pipeline.verify import verify
from synth.recipe import Recipe
from tests.synth.blobs import BLOBS, tree, write_source


@pytest.fixture(autouse=True)
def _blobs(monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)


def recipe_for(root: Path, quota: int = 2, generator: dict | None = None, **source: object) -> Recipe:
    blocks = {
        "name": "blobs",
        "source": {"kind": "folder", "root": str(root), **source},
        "generator": {"kind": "seas", "draw_batch": 4, **(generator or {})},
        "request": {"per_defect": quota},
    }
    return Recipe.model_validate(blocks)


@pytest.fixture(params=["beside", "renamed"])
def moved(request, tmp_path) -> tuple[Path, Path]:
    """A finished run whose source was moved since, and where that is now."""
    root = write_source(tmp_path / "tile")
    run(recipe_for(root), tmp_path / "out")
    to = {"beside": "mnt/share/tile", "renamed": "plates"}[request.param]
    (tmp_path / to).parent.mkdir(parents=True, exist_ok=True)
    root.rename(tmp_path / to)
    return tmp_path / "out", tmp_path / to


def test_a_finished_run_takes_a_source_that_moved_and_grows_from_it(moved, tmp_path):
    out, root = moved
    before = tree(out)
    run(recipe_for(root), out)
    assert {name for name, content in tree(out).items() if before[name] != content} == {"recipe.yaml", "digests.json"}
    assert verify(out, silent).whole
    assert Run(out).recipe.source.root == root
    again = tree(out)
    assert tree(run(recipe_for(root), out).path) == again
    grown = run(recipe_for(root, quota=3), out)
    assert len(grown.manifest) == 6
    assert {sample.product for sample in grown.manifest} == {"tile"}


def test_an_unfinished_run_is_resumed_from_a_source_that_moved(moved):
    out, root = moved
    (out / "manifest.parquet").unlink()
    (out / "real" / "index.json").unlink()
    assert len(run(recipe_for(root), out).manifest) == 4


@pytest.mark.parametrize(
    ("change", "message", "finished"),
    [
        ("pixels", r"g0\.png has changed since", True),
        ("gone", r"g0\.png is gone since", False),
        ("new", r"g9\.png is new since", True),
        ("mask", r"crack0\.png has another mask", False),
        ("all renamed", r"and \d+ more images differ\): all have the same pixels as before", True),
    ],
)
def test_a_place_with_other_content_is_refused_with_what_differs(change, message, finished, tmp_path):
    root = write_source(tmp_path / "tile")
    run(recipe_for(root), tmp_path / "out")
    if not finished:
        (tmp_path / "out" / "manifest.parquet").unlink()
    other = Path(shutil.move(root, tmp_path / "other"))
    good = other / "good"
    if change in ("pixels", "new"):
        pixels = np.random.default_rng(5).integers(60, 220, (37, 53, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(good / ("g0.png" if change == "pixels" else "g9.png"))
    elif change == "gone":
        (good / "g0.png").unlink()
    elif change == "mask":
        mask = np.zeros((37, 53), np.uint8)
        mask[5:16, 20:31] = 255
        Image.fromarray(mask).save(other / "ground_truth" / "crack" / "crack0_mask.png")
    else:
        for file in good.iterdir():
            file.rename(file.with_name(f"new_{file.name}"))
    before = tree(tmp_path / "out")
    with pytest.raises(SourceError, match=message):
        run(recipe_for(other), tmp_path / "out")
    assert tree(tmp_path / "out") == before


def test_verbs_on_a_run_whose_source_moved_work_or_say_what_to_do(tmp_path):
    root = write_source(tmp_path / "tile")
    out = run(recipe_for(root), tmp_path / "out").path
    root.rename(tmp_path / "plates")
    remedy = f"flawsmith run {out / 'recipe.yaml'} --set source.root=NEW --out {out}"
    for verb in (["verify", str(out)], ["show", str(out)], ["export", str(out), "--format", "parquet"]):
        assert CliRunner().invoke(app, verb).exit_code == 0
    first = Run(out).manifest[0]
    assert regenerate(out, first.id).equal
    with pytest.raises(SourceError) as raised:
        read_training_side(out, silent)
    assert remedy in str(raised.value)
    (out / "manifest.parquet").unlink()
    with pytest.raises(SourceError) as raised:
        run(recipe_for(root), out)
    assert remedy in str(raised.value)


def test_a_mount_that_is_empty_does_not_keep_a_sample_from_being_drawn_again(tmp_path):
    out = run(recipe_for(write_source(tmp_path / "tile")), tmp_path / "out").path
    shutil.rmtree(tmp_path / "tile")
    (tmp_path / "tile").mkdir()
    assert regenerate(out, Run(out).manifest[-1].id).equal


PLACES = [
    ("generator.masks", True),
    ("generator.legal_region", False),
    ("generator.base", True),
    ("source.foreground", False),
]
"""Field, and whether the run is finished when it meets the other place."""


def place(tmp_path: Path, name: str, key: str) -> Path:
    """A folder of files, or a single one, for a field."""
    white = Image.fromarray(np.full((37, 53), 255, np.uint8))
    if key in ("generator.legal_region", "source.foreground"):
        white.save(tmp_path / f"{name}.png")
        return tmp_path / f"{name}.png"
    (tmp_path / name / "crack").mkdir(parents=True)
    white.save(tmp_path / name / "crack" / "a.png")
    return tmp_path / name


def with_place(root: Path, key: str, path: Path, quota: int = 2) -> Recipe:
    block, field = key.split(".")
    given = {field: str(path)}
    return recipe_for(root, quota, **(given if block == "source" else {"generator": given}))


@pytest.mark.parametrize(("key", "finished"), PLACES)
def test_whatever_a_recipe_names_may_move_with_equal_content(key, finished, tmp_path):
    root, first = write_source(tmp_path / "tile"), place(tmp_path, "first", key)
    out = run(with_place(root, key, first), tmp_path / "out").path
    second = Path(shutil.move(first, tmp_path / "elsewhere" if first.is_dir() else tmp_path / "elsewhere.png"))
    with pytest.raises(SourceError, match=rf"the {key} of .* is not there any more.*--set {key}=NEW"):
        run(with_place(root, key, first, quota=3), out)
    if not finished:
        (out / "manifest.parquet").unlink()
    assert len(run(with_place(root, key, second), out).manifest) == 4
    assert verify(out, silent).whole


@pytest.mark.parametrize(("key", "finished"), PLACES)
def test_whatever_a_recipe_names_may_not_move_to_other_content(key, finished, tmp_path):
    root, first = write_source(tmp_path / "tile"), place(tmp_path, "first", key)
    out = run(with_place(root, key, first), tmp_path / "out").path
    second = place(tmp_path, "second", key)
    file = second if second.is_file() else second / "crack" / "a.png"
    Image.fromarray(np.full((37, 53), 254, np.uint8)).save(file)
    if not finished:
        (out / "manifest.parquet").unlink()
    with pytest.raises(RecipeError, match=rf"{file.name} has changed since"):
        run(with_place(root, key, second), out)


def test_a_recipe_without_its_places_is_the_same_wherever_they_are(tmp_path):
    one = recipe_for(tmp_path / "tile", generator={"masks": str(tmp_path / "masks")})
    other = recipe_for(tmp_path / "new", generator={"masks": str(tmp_path / "m")}, product="tile")
    assert placeless(one).sha256 == placeless(other).sha256
    assert placeless(one).sha256 != placeless(recipe_for(tmp_path / "tile")).sha256
