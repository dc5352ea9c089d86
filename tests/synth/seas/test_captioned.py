"""The pictures that the bundled base learns from: seeded, varied, and with masks that tell the truth."""

import numpy as np
import pytest

from synth.seas.captioned import make_captioned, vocabulary
from synth.sources.procedural.marks import MARKS
from synth.sources.procedural.materials import COLOURS, MATERIALS, coloured
from synth.sources.procedural.noise import blob_distance, curve_distance, random_field

SHAPE = (53, 71)


def test_a_picture_depends_on_its_number_alone():
    first, again, other = make_captioned(7, 48), make_captioned(7, 48), make_captioned(8, 48)
    assert np.array_equal(first.image, again.image)
    assert first.caption == again.caption
    assert not np.array_equal(first.image, other.image)


def test_captions_use_known_words_and_name_a_mark_only_where_one_is():
    known = set(vocabulary())
    for index in range(60):
        made = make_captioned(index, 48)
        assert set(made.caption.split()) <= known
        if made.mask.any():
            assert any(mark in made.caption for mark in MARKS)


@pytest.mark.parametrize("material", sorted(MATERIALS))
def test_a_material_is_finite_and_has_its_colour(material):
    rng = np.random.default_rng(3)
    surface = coloured(MATERIALS[material](SHAPE, rng), "red", rng)
    assert surface.albedo.shape == (*SHAPE, 3)
    assert np.isfinite(surface.height).all()
    mean = surface.albedo.mean((0, 1))
    assert mean[0] > mean[1] + 0.1
    assert COLOURS["red"][0] / 2 < mean[0] < COLOURS["red"][0] * 2


@pytest.mark.parametrize("mark", sorted(MARKS))
def test_a_mark_changes_the_surface_in_its_mask_and_nothing_far_away(mark):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        plain = coloured(MATERIALS["plastic"](SHAPE, rng), "grey", rng)
        marked, mask = MARKS[mark](plain, np.array([26.0, 35.0]), 20.0, rng)
        assert mask.any()
        changed = (marked.albedo != plain.albedo).any(-1) | (marked.height != plain.height)
        assert changed[mask].mean() > 0.9
        assert not mask[:, :2].any()


def test_a_curve_is_at_no_distance_from_itself():
    points = np.array([[10.0, 5.0], [10.0, 60.0]])
    distance, along = curve_distance(points, SHAPE)
    assert distance[10, 5:61].max() == 0
    assert distance[20, 30] == 10
    assert along[10, 10] < along[10, 50]


def test_a_smooth_blob_is_an_ellipse():
    inside = blob_distance(np.array([26.0, 35.0]), (15.0, 8.0), 0.0, 0.0, SHAPE, np.random.default_rng(0)) < 0
    assert abs(inside.sum() - np.pi * 15 * 8) < 20
    assert np.ptp(np.nonzero(inside)[1]) > np.ptp(np.nonzero(inside)[0])


def test_a_steeper_spectrum_is_smoother():
    def step(field: np.ndarray) -> float:
        return float(np.abs(np.diff(field, axis=1)).mean())

    rough, smooth = (random_field(SHAPE, np.random.default_rng(1), slope) for slope in (0.5, 4.0))
    assert step(smooth) < 0.3 * step(rough)
    assert abs(smooth.std() - 1) < 1e-3
