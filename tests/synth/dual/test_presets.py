"""Published schemes: what every one of them keeps, and what is refused."""

from functools import cache

import numpy as np
import pytest

from synth.dual import presets
from synth.dual.presets import ORGANISED, UNORGANISED, create
from synth.dual.presets.registry import SCHEMES
from synth.errors import GeneratorError
from synth.sample import Sample
from tests.synth.dual.scans import ball_cloud, egg_cloud, plate, scaled

MOVING = sorted(set(UNORGANISED) - {"mpas_crack", "mpas_bend"})
"""Schemes whose labels are the points that move."""


@cache
def scan(height=91, width=123):
    return plate(height, width)


@cache
def ball():
    return ball_cloud()


@cache
def egg(factor=1.0):
    return scaled(egg_cloud(), factor)


@cache
def preset(name):
    return create(name)


def test_the_names_are_those_of_the_schemes():
    assert list(SCHEMES) == list(presets.NAMES) == [*ORGANISED, *UNORGANISED]
    for name, kind in SCHEMES.items():
        assert all(field.description for field in kind.model_fields.values()), name


@pytest.mark.parametrize("name", ORGANISED)
def test_a_scan_changes_exactly_where_its_masks_say(name):
    for start in (scan(), scan(67, 149)):
        image, xyz = start.image.copy(), start.xyz.copy()
        valid = start.xyz[..., 2] > 0
        for seed in range(25):
            made = preset(name).draw(start, seed)
            marks = made.provenance.masks
            moved = (made.xyz != start.xyz).any(-1)
            assert made.mask.any()
            assert np.array_equal(moved, marks.geometry)
            assert np.array_equal((made.image != start.image).any(-1), marks.image)
            assert np.array_equal(made.mask, marks.geometry | marks.image)
            assert np.array_equal(made.mask, marks.number == 1)
            assert (marks.core <= made.mask).all()
            assert np.isfinite(made.xyz).all()
            assert not made.xyz[~valid].any()
            assert (made.xyz[valid][:, 2] > 0).all()
            ray = made.xyz[valid, :2] / made.xyz[valid, 2:] - start.xyz[valid, :2] / start.xyz[valid, 2:]
            assert np.abs(ray).max() < 1e-6
            assert made.defect == made.provenance.instances[0].type == name
        assert np.array_equal(start.image, image)
        assert np.array_equal(start.xyz, xyz)


@pytest.mark.parametrize("name", MOVING)
def test_the_points_that_move_are_those_that_are_labelled(name):
    start = ball()
    for seed in range(25):
        made = preset(name).draw(start, seed)
        assert len(made.cloud.points) == len(start.cloud.points)
        assert made.cloud.labels.any()
        assert np.array_equal((made.cloud.points != start.cloud.points).any(1), made.cloud.labels)
        assert np.array_equal(made.cloud.labels, made.provenance.masks.number == 1)
        assert np.abs(np.linalg.norm(made.cloud.normals, axis=1) - 1).max() < 1e-5


@pytest.mark.parametrize("name", UNORGANISED)
def test_labels_and_shape_do_not_depend_on_the_unit(name):
    start = egg()
    for seed in range(6):
        made = preset(name).draw(start, seed)
        for factor in (1e-3, 100.0):
            other = preset(name).draw(egg(factor), seed)
            # A point at the very edge of what counts may fall on either side of it.
            assert (other.cloud.labels != made.cloud.labels).sum() <= 3
            apart = np.abs(other.cloud.points / np.float32(factor) - made.cloud.points).max()
            assert apart < 2e-6 * np.ptp(start.cloud.points)


@pytest.mark.parametrize("name", presets.NAMES)
def test_a_draw_repeats_and_seeds_differ(name):
    start = scan() if name in ORGANISED else ball()
    first, again, other = (create(name).draw(start, seed) for seed in (7, 7, 8))
    for field in ("image", "xyz") if name in ORGANISED else ("points", "labels", "normals"):
        one, two, three = (getattr(made if name in ORGANISED else made.cloud, field) for made in (first, again, other))
        assert np.array_equal(one, two)
        assert one.shape != three.shape or (one != three).any() or field == "image"
    assert first.provenance.instances == again.provenance.instances


def test_normals_turn_with_the_surface():
    made = create("mpas_sphere", radius=0.15, height=0.05, sign="convex").draw(ball(), 3)
    away = made.cloud.normals - ball().cloud.normals
    assert np.linalg.norm(away[made.cloud.labels], axis=1).max() > 0.2
    assert np.abs(away[~made.cloud.labels]).max() < 1e-6
    assert (np.einsum("ij,ij->i", made.cloud.normals, ball().cloud.points) > 0).all()


def test_a_scheme_refuses_what_it_does_not_fit():
    with pytest.raises(GeneratorError, match="po3ad works on unorganised clouds"):
        preset("po3ad").draw(scan(), 0)
    with pytest.raises(GeneratorError, match="draem works on images with xyz"):
        preset("draem").draw(ball(), 0)
    with pytest.raises(GeneratorError, match="draem works on images with xyz"):
        preset("draem").draw(Sample(id="flat", image=scan().image), 0)


def test_unknown_names_and_numbers_are_refused_with_what_was_meant(tmp_path):
    cases = [
        (("po3a", {}), "did you mean po3ad"),
        (("po3ad", {"heigth": (0.1, 0.2)}), "po3ad.heigth is unknown; did you mean po3ad.height"),
        (("po3ad", {"height": (0.2, 0.1)}), "smaller value first"),
        (("draem", {"threshold": 2}), "draem.threshold is 2"),
        (("draem", {"textures": tmp_path}), "no image in"),
    ]
    for (name, numbers), words in cases:
        with pytest.raises(GeneratorError, match=words):
            create(name, **numbers)


def test_a_part_too_small_for_any_noise_is_an_error_with_the_reason():
    start = scan()
    speck = np.zeros(start.mask.shape, bool)
    speck[40:43, 60:63] = True
    small = Sample(id="small", image=start.image, xyz=start.xyz, meta={"foreground": speck})
    with pytest.raises(GeneratorError, match=r"no draem in 20 attempts.*at most \d px"):
        preset("draem").draw(small, 0)
