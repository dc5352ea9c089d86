"""The images that the bundled base learns from: seeded, varied, and with masks and captions that are true."""

import numpy as np
import pytest
from scipy import ndimage

from synth.seas.pretraining.captioned import PLACES, SIZES, make_captioned, vocabulary
from synth.sources.procedural.camera import photograph
from synth.sources.procedural.marks import MARKS
from synth.sources.procedural.materials import COLOURS, MATERIALS, coloured
from synth.sources.procedural.outline import OUTLINES, on_background
from synth.sources.procedural.shade import Surface, light

SHAPE = (53, 71)
SHIPPED = (
    "a beige blue brown brushed cast ceramic chip crack dark defect dent edge fabric good green grey huge large metal "
    "object of on orange part photo pit plastic printed red rubber scratch sheet small smear stain surface thread "
    "tiny white with wood yellow"
)
"""Words of the base that was trained first: a later training continues from it, so none may go."""


@pytest.fixture(scope="module")
def images():
    return [make_captioned(index, 48) for index in range(250)]


def test_an_image_depends_on_its_number_alone(images):
    again, seeded = make_captioned(7, 48), make_captioned(7, 48, seed=1)
    assert np.array_equal(images[7].image, again.image)
    assert np.array_equal(images[7].mask, again.mask)
    assert images[7].caption == again.caption
    assert not np.array_equal(again.image, seeded.image)
    assert not np.array_equal(again.image, images[8].image)


def test_captions_use_known_words_and_fit_the_text_encoder(images):
    known = set(vocabulary())
    for made in images:
        words = made.caption.split()
        assert set(words) <= known
        assert len(words) <= 30  # 32 tokens with begin and end


def test_the_vocabulary_keeps_every_word_of_the_first_base():
    assert set(SHIPPED.split()) <= set(vocabulary())


def test_a_caption_speaks_of_a_mark_exactly_where_the_mask_has_one(images):
    marked = [made.mask.any() for made in images]
    assert 0.6 < np.mean(marked) < 0.9
    for made in images:
        names = [*MARKS, "defect"]
        said = made.caption.partition(" with ")[2]
        assert any(name in said for name in names) == made.mask.any()


def test_place_and_size_in_a_caption_are_those_of_the_mask(images):
    checked = 0
    for made in images:
        said = made.caption.partition(" with ")[2]
        rows, columns = np.nonzero(made.mask)
        if "upper" in said:
            assert rows.mean() < 0.5 * len(made.mask)
        if said.endswith("right"):
            assert columns.mean() > 0.5 * len(made.mask)
        if said.startswith("tiny"):
            assert max(np.ptp(rows), np.ptp(columns)) + 1 <= SIZES["tiny"] * len(made.mask)
        checked += any(place in said for row in PLACES for place in row)
    assert checked > 50


def test_grey_and_coloured_images_views_and_captions_vary(images):
    grey = np.mean([np.ptp(made.image, axis=2).max() == 0 for made in images])
    assert 0.3 < grey < 0.6
    captions = " ".join(made.caption for made in images)
    assert sum(material in captions for material in MATERIALS) > 0.9 * len(MATERIALS)
    assert sum(mark in captions for mark in MARKS) > 0.8 * len(MARKS)
    assert all(word in captions.split() for word in OUTLINES)


@pytest.mark.parametrize("material", sorted(MATERIALS))
def test_a_material_is_finite_has_its_colour_and_a_look_of_its_own(material):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        surface = coloured(MATERIALS[material](SHAPE, rng), "red", rng)
        assert surface.albedo.shape == (*SHAPE, 3)
        assert np.isfinite(surface.height).all()
        assert (surface.gloss >= 0).all()
        mean = surface.albedo.mean((0, 1))
        assert mean[0] > mean[1] + 0.05
        assert COLOURS["red"][0] / 2.5 < mean[0] < COLOURS["red"][0] * 2
        other = MATERIALS[material](SHAPE, rng)
        assert not np.array_equal(surface.height, other.height)


@pytest.mark.parametrize("mark", sorted(MARKS))
def test_a_mark_changes_the_surface_in_its_mask_and_nothing_beyond_its_rim(mark):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        plain = coloured(MATERIALS["plastic"](SHAPE, rng), "grey", rng)
        size = float(rng.uniform(8, 30))
        marked, mask = MARKS[mark](plain, np.array([26.0, 35.0]), size, rng)
        assert mask.any()
        assert np.isfinite(marked.height).all()
        assert 0 <= marked.albedo.min() <= marked.albedo.max() <= 1
        changed = (np.abs(marked.albedo - plain.albedo) > 1e-4).any(-1) | (np.abs(marked.height - plain.height) > 1e-3)
        assert changed[mask].mean() > 0.97
        assert not changed[ndimage.distance_transform_edt(~mask) > 6 + 0.2 * size].any()


@pytest.mark.parametrize("mark", sorted(MARKS))
def test_a_mark_half_out_of_the_image_keeps_to_it(mark):
    rng = np.random.default_rng(2)
    plain = coloured(MATERIALS["ground metal"](SHAPE, rng), "dark", rng)
    marked, mask = MARKS[mark](plain, np.array([1.0, 70.0]), 24.0, rng)
    assert mask.shape == SHAPE
    assert np.isfinite(marked.height).all()


@pytest.mark.parametrize("name", [*OUTLINES, "edge"])
def test_a_product_is_the_material_inside_its_outline_and_the_backdrop_outside(name):
    rng = np.random.default_rng(5)
    surface = coloured(MATERIALS["plastic"](SHAPE, rng), "yellow", rng)
    scene = on_background(surface, name, "black", rng)
    assert 0.02 < scene.region.mean() < 0.98
    inside = ndimage.binary_erosion(scene.region, iterations=2)
    assert np.allclose(scene.surface.albedo[inside], surface.albedo[inside])
    assert scene.surface.albedo[~ndimage.binary_dilation(scene.region, iterations=2)].max() < 0.2


def test_light_shades_a_slope_and_a_camera_keeps_to_its_range():
    rows = np.mgrid[: SHAPE[0], : SHAPE[1]][0].astype(np.float32)
    ridge = np.minimum(rows, SHAPE[0] - 1 - rows)
    grey = np.full((*SHAPE, 1), 0.5, dtype=np.float32)
    for seed in range(4):
        surface = Surface(ridge, grey, np.zeros(SHAPE, dtype=np.float32))
        radiance = light(surface, np.random.default_rng(seed))
        assert abs(radiance[5:20].mean() - radiance[-20:-5].mean()) > 0.02
        image = photograph(radiance, np.random.default_rng(seed))
        assert image.dtype == np.uint8
        assert image.shape == (*SHAPE, 3)
        assert image.std() > 1
