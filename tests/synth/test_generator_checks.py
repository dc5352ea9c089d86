"""Whatever a generator would refuse while it learns or draws is refused before, by a dry run and by a run alike."""

from __future__ import annotations

import numpy as np
import pytest

from synth.errors import GeneratorError
from synth.io.points import ply_bytes
from synth.pipeline.preparation import silent
from synth.pipeline.preview import preview
from synth.pipeline.runs import run
from synth.recipe import load_recipe
from tests.synth.dual.scans import ball_cloud
from tests.synth.trees import blob, folder_tree, random_image, save

SIZE = (40, 54)


def masks(root, **changes):
    """A folder of one mask for each type; changes: array by type, None for no folder."""
    for name, array in {"crack": blob(1, *SIZE), "pit": blob(2, *SIZE), **changes}.items():
        if array is not None:
            save(root / "masks" / name / "a.png", array)
    return f"masks: {root / 'masks'}"


def region(root, array):
    return f"legal_region: {save(root / 'region.png', array)}"


def broken(root, field, place):
    file = root / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"no image")
    return f"{field}: {root / 'masks' if field == 'masks' else root / 'region.png'}"


def textures(root):
    save(root / "textures" / "a.png", random_image(3))
    (root / "textures" / "b.png").write_bytes(b"no image")
    return f"textures: {root / 'textures'}"


CASES = {
    "words of an unknown type": (
        "seas",
        lambda _: "words: {crak: a line}",
        "no product or defect type 'crak'; did you",
    ),
    "words without letters": ("seas", lambda _: "words: {crack: '123'}", "crack is '123': give words of letters"),
    "a resolution": (
        "seas",
        lambda _: "freedom: 0.4, resolution: 50",
        "resolution 50 does not suit tiny: take a multiple of",
    ),
    "too many tokens": (
        "seas",
        lambda _: "freedom: 0.4, defect_tokens: 90",
        "make prompts of .* tokens, the base reads",
    ),
    "no masks": ("seas", lambda root: f"masks: {root / 'none'}", "there is no folder .*none"),
    "no masks of a type": (
        "seas",
        lambda root: masks(root, pit=None, pitt=blob(2, *SIZE)),
        "no mask in .*pit;.* pitt$",
    ),
    "a blank mask": ("seas", lambda root: masks(root, pit=np.zeros(SIZE, bool)), "pit/a.png is black everywhere"),
    "a mask that is none": ("seas", lambda r: (masks(r), broken(r, "masks", "masks/pit/a.png"))[1], "cannot be read"),
    "a mask lying": ("seas", lambda root: masks(root, pit=blob(2, 40, 120)), "pit/a.png is 40 x 120 .* proportions"),
    "no region": ("seas", lambda root: f"legal_region: {root / 'none.png'}", "there is no file .*none.png"),
    "a black region": ("seas", lambda root: region(root, np.zeros(SIZE, bool)), "is black everywhere; paint white"),
    "a region that is none": ("seas", lambda root: broken(root, "legal_region", "region.png"), "cannot be read"),
    "a region lying": ("seas", lambda root: region(root, np.ones((54, 40), bool)), "region.png is 54 x 40 .* proport"),
    "a texture that is none": ("perlin", textures, "generator.textures: .*b.png cannot be read"),
    "a source without depth": ("dual", lambda _: "", "has an image alone, this generator needs depth"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_dry_run_and_a_run_refuse_it_before_anything_is_written(case, tmp_path):
    kind, arrange, words = CASES[case]
    root = folder_tree(tmp_path / "tile")
    generator = f"{{kind: {kind}, {arrange(tmp_path)}}}"
    (tmp_path / "a.yaml").write_text(f"source: {{kind: folder, root: {root}}}\ngenerator: {generator}\n")
    recipe = load_recipe(tmp_path / "a.yaml")
    with pytest.raises(GeneratorError, match=words):
        preview(recipe, silent)
    with pytest.raises(GeneratorError, match=words):
        run(recipe, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_fits_passes(tmp_path):
    root = folder_tree(tmp_path / "tile")
    text = f"words: {{pit: hole}}, {masks(tmp_path)}, {region(tmp_path, np.ones(SIZE, bool))}"
    (tmp_path / "a.yaml").write_text(f"source: {{kind: folder, root: {root}}}\ngenerator: {{kind: seas, {text}}}\n")
    assert preview(load_recipe(tmp_path / "a.yaml"), silent).planned


def test_a_stain_on_clouds_without_colours_is_refused_before_anything_is_drawn(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.ply").write_bytes(ply_bytes(ball_cloud().cloud))
    text = f"source: {{kind: clouds, root: {tmp_path / 'parts'}}}\ngenerator: {{kind: dual, types: [dent, stain]}}\n"
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(GeneratorError, match="a stain shows in colours alone, and the clouds have none; leave it out"):
        preview(load_recipe(tmp_path / "a.yaml"), silent)
    assert preview(load_recipe(tmp_path / "a.yaml", "request.defects=[dent]"), silent).planned
