import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from synth.baselines.config import CutPasteConfig, PerlinConfig
from synth.baselines.cutpaste import cutpaste
from synth.baselines.painter import Scene, lay
from synth.baselines.perlin import noise, perlin
from synth.checks.config import ChecksConfig
from synth.checks.mask import judge
from synth.errors import GeneratorError, RecipeError
from synth.generators import GENERATORS, Request
from synth.pipeline.runs import run
from synth.recipe import Recipe, load_recipe
from synth.sample import Sample
from tests.synth.blobs import recipe_for, write_source

BASELINES = sorted(GENERATORS.keys() - {"seas", "dual", "dual_preset"})
PAINTERS = sorted(set(BASELINES) - {"oversample"})
ASKED = [Request("plate", "dent", index, run_seed=4) for index in range(6)]


def textured(name: str, seed: int, size: tuple[int, int], defect: str | None = None) -> Sample:
    """A plate without two equal places, and on it a dark mark."""
    image = np.random.default_rng(seed).integers(90, 200, (*size, 3), dtype=np.uint8)
    mask = np.zeros(size, bool)
    mask[10:18, 12:25] = defect is not None
    image[mask] = (20, 30, 40)
    return Sample(name, image, mask, product="plate", defect=defect)


GOOD_IMAGES = [textured(f"g{n}", n, (41 + 3 * n, 67 - n)) for n in range(3)]
SHOTS = [textured(f"s{n}", 10 + n, (47, 53 + n), "dent") for n in range(2)] + [textured("c", 20, (44, 61), "crack")]


def fitted(kind: str, **choices):
    config = Recipe.model_validate({"generator": {"kind": kind, **choices}}).generator
    generator = GENERATORS[kind].open(config, None, 0)
    generator.fit(SHOTS, GOOD_IMAGES)
    return generator


@pytest.mark.parametrize("kind", BASELINES)
def test_a_draw_depends_on_its_request_alone(kind):
    among, alone = fitted(kind).draw(ASKED), fitted(kind).draw(ASKED[3:4])[0]
    assert [sample.id for sample in among] == [request.id for request in ASKED]
    assert np.array_equal(among[3].image, alone.image)
    assert np.array_equal(among[3].mask, alone.mask)
    assert {sample.defect for sample in among} == {"dent"}


@pytest.mark.parametrize("kind", PAINTERS)
def test_the_mask_is_where_the_good_part_was_changed(kind):
    for sample in fitted(kind).draw(ASKED):
        changed = (sample.image != sample.provenance.start.image).any(-1)
        assert sample.mask.any()
        assert changed[sample.mask].mean() > 0.7
        assert not (changed & ~ndimage.binary_dilation(sample.mask, iterations=6)).any()


@pytest.mark.parametrize("kind", PAINTERS)
def test_another_request_gives_another_image(kind):
    drawn = fitted(kind).draw(ASKED)
    assert len({sample.image.tobytes() for sample in drawn}) == len(drawn)


def test_oversampling_takes_the_shots_of_the_type_in_turn():
    drawn = fitted("oversample").draw(ASKED)
    for sample, shot in zip(drawn, 3 * SHOTS[:2], strict=True):
        assert np.array_equal(sample.image, shot.image)
        assert np.array_equal(sample.mask, shot.mask)


def test_copy_paste_brings_the_defects_of_the_type_and_their_contrast():
    drawn = fitted("copy_paste", turn=0, scale=[1, 1], contrast=[1, 1], feather=0).draw(ASKED)
    for sample in drawn:
        inside = sample.image[sample.mask].astype(float).mean()
        assert sample.mask.sum() == pytest.approx(8 * 13, abs=30)
        assert inside < sample.provenance.start.image.mean() - 80


def test_copy_paste_says_where_no_place_was_found():
    small = [textured("tiny", 30, (9, 11))]
    config = Recipe.model_validate({"generator": {"kind": "copy_paste"}}).generator
    generator = GENERATORS["copy_paste"].open(config, None, 0)
    generator.fit(SHOTS, small)
    (sample,) = generator.draw(ASKED[:1])
    assert not sample.mask.any()
    assert np.array_equal(sample.image, small[0].image)
    assert judge(sample, ChecksConfig(), generator.surroundings("plate")).verdict.reason == "no_place"


@pytest.mark.parametrize("placement", ["context", "own", "anywhere"])
def test_copy_paste_draws_where_its_placement_says(placement):
    generator = fitted("copy_paste", placement=placement, turn=0, mirror=False, scale=[1, 1])
    assert (generator.surroundings("plate") is None) == (placement == "anywhere")
    for sample in generator.draw(ASKED):
        rows, columns = np.nonzero(sample.mask)
        away = np.abs([rows.mean() / len(sample.mask) - 13.5 / 47, columns.mean() / sample.mask.shape[1] - 18 / 53.5])
        assert placement != "own" or (away < 0.1).all()


def test_a_scar_is_thinner_than_a_rectangle():
    size = {}
    for variant in ("normal", "scar"):
        drawn = fitted("cutpaste", variant=variant).draw([Request("plate", "dent", i) for i in range(20)])
        size[variant] = np.mean([sample.mask.mean() for sample in drawn])
    assert size["scar"] < size["normal"] / 3
    assert 0.01 < size["normal"] < 0.15


@pytest.mark.parametrize("painter", [cutpaste(CutPasteConfig()), perlin(PerlinConfig())])
def test_nothing_is_painted_where_it_is_not_permitted(painter):
    permitted = np.zeros((41, 67), bool)
    permitted[5:30, 8:40] = True
    scene = Scene(GOOD_IMAGES[0].image, permitted, GOOD_IMAGES)
    for seed in range(8):
        image, mask = painter(scene, np.random.default_rng(seed))
        assert not (mask & ~permitted).any()
        assert np.array_equal(image[~permitted], GOOD_IMAGES[0].image[~permitted])


def test_a_piece_at_the_border_is_cut_off_there():
    scene = Scene(GOOD_IMAGES[0].image, np.ones((41, 67), bool), [])
    piece = np.full((6, 10, 3), 255.0)
    image, mask = lay(scene, piece, np.ones((6, 10)), (0, 66))
    assert mask.sum() == 3 * 6
    assert mask[:3, 61:].all()
    assert (image[mask] == 255).all()


def test_perlin_noise_is_smooth_balanced_and_as_fine_as_asked():
    rng = np.random.default_rng(0)
    coarse, fine = (noise((64, 96), cells, 0.4, rng) for cells in ((2, 2), (16, 16)))
    for field in (coarse, fine):
        assert abs(field.mean()) < 0.2
        assert 0.5 < np.abs(field).max() <= 1.01
    assert np.abs(np.diff(coarse)).mean() < np.abs(np.diff(fine)).mean() / 3
    assert np.abs(np.diff(coarse)).max() < 0.2


def test_perlin_takes_its_texture_from_a_folder(tmp_path):
    Image.new("RGB", (9, 7), (250, 10, 250)).save(tmp_path / "pink.png")
    for sample in fitted("perlin", textures=tmp_path, opacity=[1, 1]).draw(ASKED):
        assert (sample.image[sample.mask][:, 0] > 150).all()
        assert (sample.image[sample.mask][:, 1] < 60).all()
    with pytest.raises(GeneratorError, match="no image in"):
        fitted("perlin", textures=tmp_path / "absent")


@pytest.mark.parametrize("kind", BASELINES)
def test_what_fit_has_not_seen_is_an_error(kind):
    with pytest.raises(GeneratorError, match="plate/hole"):
        fitted(kind).draw([Request("plate", "hole", 0)])


@pytest.mark.parametrize("kind", BASELINES)
def test_the_pipeline_carries_every_baseline_out(kind, tmp_path):
    source = write_source(tmp_path / "source")
    recipe = recipe_for(source, generator={"kind": kind}, request={"per_defect": 3, "max_attempts": 10})
    finished = run(recipe, tmp_path / "run")
    assert len(finished.manifest) == 6
    assert finished.recipe == recipe


def test_a_recipe_names_its_baseline_and_mistakes_name_theirs(tmp_path):
    file = tmp_path / "tiles.yaml"
    file.write_text("generator: {kind: cutpaste, variant: scar}\n")
    assert load_recipe(file).generator == CutPasteConfig(variant="scar")
    file.write_text("generator: {kind: cutpast}\n")
    with pytest.raises(RecipeError, match=r"has kind 'cutpast', wanted seas, .*; did you mean cutpaste\?"):
        load_recipe(file)
    file.write_text("generator: {kind: copy_paste, scale: [2, 1]}\n")
    with pytest.raises(RecipeError, match=r"scale is \[2(\.0)?, 1(\.0)?\], wanted two positive"):
        load_recipe(file)
    file.write_text("generator: {kind: copy_paste, turn: true}\n")
    with pytest.raises(RecipeError, match=r"turn is true, wanted degrees"):
        load_recipe(file)
    file.write_text("generator: {kind: perlin, treshold: 0.4}\n")
    with pytest.raises(RecipeError, match=r"did you mean generator\.threshold"):
        load_recipe(file)
