"""Published schemes from a recipe: scans and clouds through a whole run, and what a recipe may get wrong."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from synth.cli.main import app
from synth.dual.presets import ORGANISED, UNORGANISED
from synth.errors import GeneratorError, RecipeError
from synth.io.points import ply_bytes, read_ply
from synth.pipeline.regenerate import regenerate
from synth.pipeline.runs import Run
from synth.recipe import load_recipe
from tests.synth.dual.scans import egg_cloud
from tests.synth.dual.test_run import write_scans

CHECKS = {"min_on_product": 0, "min_area": 1}


def write_clouds(root, count=2):
    root.mkdir(parents=True)
    for k in range(count):
        (root / f"egg{k}.ply").write_bytes(ply_bytes(egg_cloud(1500 + 100 * k).cloud))
    return root


def write_recipe(folder, source, schemes, **changes):
    path = folder / "presets.yaml"
    blocks = {
        "source": source,
        "generator": {"kind": "dual_preset", "schemes": list(schemes), "draw_batch": 2, **changes},
        "request": {"per_defect": 2},
        "checks": CHECKS,
        "output": {"format": "mvtec_3d" if source["kind"] == "mvtec_3d" else "ply"},
    }
    path.write_text(yaml.safe_dump(blocks))
    return path


def flawsmith(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def scans_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    write_scans(folder / "scans", 2)
    textures = folder / "textures"
    textures.mkdir()
    Image.new("RGB", (30, 20), (200, 180, 40)).save(textures / "a.png")
    source = {"kind": "mvtec_3d", "root": "scans", "product": "plate"}
    recipe = write_recipe(folder, source, ORGANISED, textures="textures", numbers={"das3d_like": {"metric": False}})
    done = flawsmith("run", recipe, "--out", folder / "out")
    assert done.exit_code == 0, done.output
    return Run(folder / "out")


def test_the_command_makes_scans_by_every_scheme(scans_run):
    assert [kind.accepted for kind in scans_run.yields] == [2] * len(ORGANISED)
    for sample in scans_run.samples():
        masks = sample.provenance.masks
        assert np.array_equal(masks.geometry | masks.image, sample.mask)
        assert sample.mask.any()
        assert sample.provenance.instances[0].type == sample.defect
    assert len(list((scans_run.folder.data / "plate" / "test" / "3dsr" / "xyz").glob("*.tiff"))) == 2
    for record in (scans_run.manifest[0], scans_run.manifest[-1]):
        assert regenerate(scans_run.path, record.id).equal


def test_the_command_makes_clouds_by_every_scheme(tmp_path):
    write_clouds(tmp_path / "parts")
    source = {"kind": "clouds", "root": "parts", "product": "egg", "unit": "m"}
    recipe = write_recipe(tmp_path, source, UNORGANISED)
    done = flawsmith("run", recipe, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    made = Run(tmp_path / "out")
    assert {record.defect for record in made.manifest} == set(UNORGANISED)
    assert len(made.manifest) == 2 * len(UNORGANISED)
    for file in (made.folder.data / "egg" / "po3ad").glob("*.ply"):
        assert 0.005 < read_ply(file).labels.mean() < 0.05
    assert regenerate(made.path, made.manifest[-1].id).equal


def test_the_schema_and_the_checker_know_the_kind(tmp_path):
    schema = json.loads(flawsmith("recipe", "schema").stdout)
    assert "dual_preset" in json.dumps(schema)
    write_scans(tmp_path / "scans", 1)
    recipe = write_recipe(tmp_path, {"kind": "mvtec_3d", "root": "scans"}, ["das3d_like"])
    assert flawsmith("recipe", "validate", recipe).exit_code == 0
    assert load_recipe(recipe).generator.schemes == ("das3d_like",)


@pytest.mark.parametrize(
    ("schemes", "changes", "words"),
    [
        (["das3d"], {}, "das3d_like"),
        (["draem", "po3ad"], {}, "draem work on RGB-D scans and po3ad on clouds"),
        (["draem"], {"numbers": {"easynet": {}}}, "not among schemes"),
        (["draem"], {"numbers": {"draem": {"thresold": 0.4}}}, "draem.thresold is unknown; did you mean threshold"),
        (["glfm"], {"numbers": {"glfm": {"height": [0.2, 0.1]}}}, "smaller value first"),
        (["draem"], {"textures": "nowhere"}, "no image in"),
    ],
)
def test_mistakes_of_a_recipe_are_named(tmp_path, schemes, changes, words):
    recipe = write_recipe(tmp_path, {"kind": "mvtec_3d", "root": str(tmp_path)}, schemes, **changes)
    with pytest.raises(RecipeError, match=words):
        load_recipe(recipe)


def test_a_scheme_for_clouds_refuses_scans_before_anything_is_drawn(tmp_path):
    from synth.pipeline.runs import run

    write_scans(tmp_path / "scans", 1)
    recipe = write_recipe(tmp_path, {"kind": "mvtec_3d", "root": "scans"}, ["po3ad"])
    with pytest.raises(GeneratorError, match="po3ad works on unorganised clouds"):
        run(load_recipe(recipe), tmp_path / "out")
