"""The rendered products: repeatable, true to their camera, and every defect where its mask says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest
from scipy import ndimage

from synth.dual import DualSynthesizer
from synth.errors import SourceError
from synth.io.camera import fit_camera
from synth.pipeline.runs import run
from synth.recipe import load_recipe
from synth.sample import Sample
from synth.sources.procedural import PRODUCTS, make_part, read_procedural
from synth.sources.procedural.line import HEIGHT_STEP, MAX_AREA, MIN_AREA, MIN_CONTRAST, changed, contrast
from synth.sources.procedural.part import Part, View
from synth.sources.procedural.render import occlusion

SIZE = (97, 131)
EVERY = [(product, defect) for product, entry in PRODUCTS.items() for defect in entry.defects]
REMOVED = {"scratch", "crack", "chip", "pits", "hole", "missing_yarn", "dent", "sink"}
REMOVED |= {"scratch_head", "scratch_neck", "thread_dent"}
ADDED = {"burr", "flash", "thread", "drop"}
FLAT = {"stain"}


@cache  # several tests look at the same parts
def pair(product: str, defect: str, seed: int) -> tuple[Sample, Sample]:
    return make_part(product, defect, seed, SIZE), make_part(product, None, seed, SIZE)


def depth_change(sample: Sample, before: Sample) -> np.ndarray:
    """Metres the surface moved away from the camera, 0 where one of the two has no return; (H, W)."""
    seen = (sample.xyz[..., 2] > 0) & (before.xyz[..., 2] > 0)
    return np.where(seen, sample.xyz[..., 2].astype(float) - before.xyz[..., 2], 0.0)


@pytest.mark.parametrize(("product", "defect"), EVERY)
def test_every_defect_is_visible_and_of_sensible_size_whatever_the_seed(product, defect):
    for seed in range(20):
        sample, before = pair(product, defect, seed)
        assert MIN_AREA <= sample.mask.mean() <= MAX_AREA, seed
        assert contrast(sample.image, before.image, sample.mask) >= MIN_CONTRAST, seed


@pytest.mark.parametrize(("product", "defect"), EVERY)
def test_the_mask_holds_all_that_differs_from_the_good_duplicate_and_little_else(product, defect):
    for seed in range(4):
        sample, before = pair(product, defect, seed)
        moved = np.abs(depth_change(sample, before)) > 1.01 * HEIGHT_STEP
        assert not (moved & ~sample.mask).any(), f"seed {seed}: the surface moved outside the mask"
        pitch = PRODUCTS[product].frame / min(SIZE)
        reach = 10e-3 / pitch + 6  # shadows and ambient light end here, then the blur of the lens
        far = ndimage.distance_transform_edt(~sample.mask) > reach
        np.testing.assert_array_equal(sample.image[far], before.image[far])
        differs = (sample.image != before.image).any(-1)
        assert (differs & sample.mask).sum() > 0.8 * sample.mask.sum(), f"seed {seed}: the mask covers untouched pixels"


@pytest.mark.parametrize(("product", "defect"), EVERY)
def test_removed_material_is_farther_added_is_nearer_and_a_stain_only_colours(product, defect):
    changes = [
        depth_change(sample, before)[sample.mask].mean()
        for sample, before in (pair(product, defect, s) for s in range(4))
    ]
    if defect in REMOVED:
        assert min(changes) > 5e-6
    elif defect in ADDED:
        assert max(changes) < -5e-6
    elif defect in FLAT:
        assert changes == [0.0] * 4
    else:
        assert defect in {"rust", "burn", "bent_tip"}, f"say in this test what {defect} does to the surface"


@pytest.mark.parametrize(("product", "defect"), [case for case in EVERY if case[0] in ("flange", "cap", "screw")])
def test_a_defect_lies_on_the_part_not_on_the_background(product, defect):
    for seed in range(4):
        sample, before = pair(product, defect, seed)
        distance = before.meta["distance"]
        part = (before.xyz[..., 2] > 0) & (before.xyz[..., 2] < distance - 2e-3)
        away = ndimage.distance_transform_edt(~part)[sample.mask]
        assert away.max() <= 0.13 * min(SIZE), seed  # flash hangs over the edge
        if defect not in ("burr", "flash"):
            assert away.max() <= 4, seed  # rims are too steep for a return


@pytest.mark.parametrize("share", [0.0, 0.0003, 0.4])
def test_a_draw_without_a_sensible_mask_is_drawn_again_a_little_stronger(monkeypatch, share):
    strengths = []

    def whitewash(part: Part, rng: np.random.Generator, strength: float) -> Part:
        """Paints the first `share` of the pixels, and a tenth of them from the third draw on."""
        strengths.append(strength)
        albedo = part.albedo.copy()
        painted = share if len(strengths) < 3 else 0.1
        albedo.reshape(-1, 3)[: int(painted * part.height.size)] = 0.9
        return replace(part, albedo=albedo)

    monkeypatch.setitem(PRODUCTS, "flange", replace(PRODUCTS["flange"], defects={"paint": whitewash}))
    sample = make_part("flange", "paint", 0, SIZE)
    assert sample.mask.mean() == pytest.approx(0.1, abs=0.001)
    assert len(strengths) == 3
    assert strengths == sorted(set(strengths))


def test_a_defect_that_never_shows_is_an_error_not_an_empty_mask(monkeypatch):
    silent = replace(PRODUCTS["tile"], defects={"nothing": lambda part, rng, strength: part})
    monkeypatch.setitem(PRODUCTS, "tile", silent)
    with pytest.raises(SourceError, match="tile nothing"):
        make_part("tile", "nothing", 0, SIZE)


def test_defects_of_one_type_vary_in_place_and_size():
    masks = [make_part("cap", "burn", seed, SIZE).mask for seed in range(8)]
    places = np.array([ndimage.center_of_mass(mask) for mask in masks])
    areas = np.array([mask.sum() for mask in masks])
    assert places.std(0).min() > 5
    assert areas.max() > 1.3 * areas.min()


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_part_is_the_same_every_time_and_another_with_another_seed(product):
    defect = next(iter(PRODUCTS[product].defects))
    first, again, other = (make_part(product, defect, seed, SIZE) for seed in (5, 5, 6))
    for name in ("image", "mask", "xyz"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.id == again.id != other.id
    assert (first.image != other.image).any()


def test_good_parts_differ_a_little_from_part_to_part():
    good_images = [make_part("flange", None, seed, SIZE).image.astype(float) for seed in range(4)]
    steps = [np.abs(good_images[0] - other).mean() for other in good_images[1:]]
    assert min(steps) > 2
    assert max(steps) < 40


def test_asking_for_more_leaves_the_first_ones_as_they_were():
    few = {s.id: s for s in read_procedural(("cap",), 1, 1, 1, 1, size=(64, 75), seed=3)}
    more = {s.id: s for s in read_procedural(("tile", "cap"), 2, 2, 1, 1, size=(64, 75), seed=3)}
    assert set(few) < set(more)
    for name, sample in few.items():
        np.testing.assert_array_equal(sample.image, more[name].image)
        np.testing.assert_array_equal(sample.mask, more[name].mask)
    other = next(read_procedural(("cap",), 1, 1, 1, 1, size=(64, 75), seed=4))
    assert (other.image != few[other.id].image).any()


def test_a_reading_has_the_asked_numbers_splits_and_fields():
    samples = list(
        read_procedural(("cloth",), good_images=2, shots_per_defect=2, test_per_defect=1, test_good_images=1, size=64)
    )
    defects = list(PRODUCTS["cloth"].defects)
    counted = {(split, defect): 0 for split in ("train", "test") for defect in [None, *defects]}
    for sample in samples:
        counted[sample.split, sample.defect] += 1
        assert sample.product == "cloth"
        assert sample.image.shape == sample.xyz.shape == (64, 64, 3)
        assert sample.mask.any() == (sample.defect is not None)
    assert len({sample.id for sample in samples}) == len(samples)
    assert counted.pop(("train", None)) == 2
    assert counted.pop(("test", None)) == 1
    assert all(number == (2 if split == "train" else 1) for (split, _), number in counted.items())


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_point_lies_on_the_ray_of_its_pixel(product):
    sample = make_part(product, None, 1, SIZE)
    fx, fy, cx, cy = sample.meta["camera"]
    rows, columns = np.indices(SIZE)
    x, y, z = np.moveaxis(sample.xyz.astype(float), -1, 0)
    seen = z > 0
    assert seen.mean() > 0.5
    assert not sample.xyz[~seen].any()
    u, v = fx * x[seen] / z[seen] + cx, fy * y[seen] / z[seen] + cy
    np.testing.assert_allclose(u, columns[seen], atol=1e-3)
    np.testing.assert_allclose(v, rows[seen], atol=1e-3)
    assert z[seen].max() <= sample.meta["distance"] + 1e-3
    assert z[seen].min() > 0.9 * sample.meta["distance"]


def test_steep_walls_give_no_return_and_the_fixture_does():
    sample = make_part("flange", None, 2, (192, 201))
    assert (sample.xyz[..., 2] == 0).any()
    assert sample.xyz[0, 0, 2] == pytest.approx(sample.meta["distance"], abs=1e-4)


def test_normals_are_those_of_the_points():
    view = View((37, 53), 60e-3)
    x, y = view.plane()
    height = 4e-3 * np.exp(-(((x - 5e-3) / 12e-3) ** 2) - ((y + 4e-3) / 9e-3) ** 2)
    points = view.points(height).astype(float)
    longhand = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    longhand /= np.linalg.norm(longhand, axis=-1, keepdims=True)
    normals = view.normals(height)
    assert (normals[..., 2] < 0).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, rtol=1e-5)
    assert (normals[2:-2, 2:-2] * longhand[2:-2, 2:-2]).sum(-1).min() > 0.9995


def test_a_hollow_sees_less_of_the_sky_than_a_hill():
    flat = np.zeros((41, 57), dtype=np.float32)
    hollow, hill = flat.copy(), flat.copy()
    hollow[18:23, 25:30], hill[18:23, 25:30] = -3e-3, 3e-3
    assert occlusion(hollow, 0.4e-3)[20, 27] < 0.8 < occlusion(hill, 0.4e-3)[20, 27]
    np.testing.assert_array_equal(occlusion(flat, 0.4e-3), 1)


def test_defects_leave_the_good_part_untouched_and_a_part_equals_itself():
    entry = PRODUCTS["flange"]
    part = entry.build(View(SIZE, entry.frame), np.random.default_rng(0))
    kept = part.height.copy(), part.albedo.copy(), part.gloss.copy(), part.roughness.copy()
    for defect in entry.defects.values():
        assert changed(part, defect(part, np.random.default_rng(1), 1.0)).any()
    for before, after in zip(kept, (part.height, part.albedo, part.gloss, part.roughness), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not changed(part, part).any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: read_procedural(("flang",)), "flang.*did you mean flange"),
        (lambda: make_part("capp", None, 0), "capp.*did you mean cap"),
        (lambda: make_part("cloth", "stian", 0), "stian.*did you mean stain"),
        (lambda: read_procedural(("tile",), size=(20, 192)), "too small.*at least 48"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_rendered(call, words):
    with pytest.raises(SourceError, match=words):
        call()


def test_reading_is_lazy():
    endless = read_procedural(("tile",), good_images=10**9, size=64)
    assert [sample.id for sample in islice(endless, 2)] == ["tile-good-train-0000", "tile-good-train-0001"]


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_carries_a_defect_in_image_and_depth_alike(product):
    good = make_part(product, None, 3, SIZE)
    camera, error = fit_camera(good.xyz, good.xyz[..., 2] > 0)
    assert error < 0.01
    assert good.meta["camera"] == pytest.approx((camera.fx, camera.fy, camera.cx, camera.cy), abs=0.05)
    made = DualSynthesizer("dent").draw(good, seed=1)
    dual = made.provenance.masks
    assert dual.geometry.any()
    assert not (made.mask & ~good.meta["foreground"]).any()
    far = ~ndimage.binary_dilation(made.mask, iterations=3)
    np.testing.assert_array_equal(made.xyz[far], good.xyz[far])
    np.testing.assert_array_equal(made.image[far], good.image[far])
    deeper = made.xyz[..., 2] - good.xyz[..., 2]
    assert (deeper[dual.core & (made.xyz[..., 2] > 0)] > 0).mean() > 0.9


def test_the_demo_in_3d_makes_rgbd_pairs_of_at_least_four_types(tmp_path):
    whole = load_recipe("demo_3d")
    types, products = whole.generator.types, whole.source.products
    assert len(types) >= 4
    assert len(types) * len(products) * whole.request.per_defect == 24
    small = load_recipe("demo_3d", ["source.size=128", "source.good_images=2", "request.per_defect=1"])
    finished = run(small, tmp_path / "demo_3d")
    samples = list(finished.samples())
    assert {(s.product, s.defect) for s in samples} == {(p, t) for p in products for t in types}
    for sample in samples:
        assert sample.xyz.shape == sample.image.shape
        assert sample.mask.any()
    page = (finished.folder.report / "index.html").read_text()
    assert all(sample.id in page for sample in samples)
