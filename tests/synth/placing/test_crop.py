import numpy as np
import pytest

from synth.placing.crop import cut_crop
from tests.synth.placing.scenes import SIZE, crop_of, marked

WAYS = {"top": (-1.0, 0.0), "bottom": (1.0, 0.0), "left": (0.0, -1.0), "right": (0.0, 1.0)}


@pytest.mark.parametrize(
    ("where", "sides", "spans"),
    [
        ((slice(10, 20), slice(15, 40)), set(), (False, False)),
        ((slice(10, 20), slice(40, 53)), {"right"}, (False, False)),
        ((slice(0, 4), slice(0, 9)), {"top", "left"}, (False, False)),
        ((slice(30, 37), slice(1, 52)), {"bottom"}, (False, False)),
        ((slice(0, 37), slice(20, 24)), {"top", "bottom"}, (True, False)),
        ((slice(12, 15), slice(0, 53)), {"left", "right"}, (False, True)),
    ],
)
def test_a_crop_knows_the_borders_that_cut_its_defect_off(where, sides, spans):
    crop = crop_of(marked(where))
    assert crop.cut_sides == {WAYS[side] for side in sides}
    assert crop.spans == spans
    assert bool(len(crop.contacts)) == bool(sides)


def test_contacts_lie_just_beyond_the_border_beside_the_defect():
    crop = crop_of(marked((slice(5, 15), slice(44, 53))))
    assert {tuple(point) for point in crop.contacts + crop.origin} == {(row, 53) for row in range(5, 15)}


@pytest.mark.parametrize("length", [3, 24, 47, 110])
def test_contacts_are_few_and_stand_along_the_whole_cut(length):
    crop = crop_of(marked((slice(0, 4), slice(5, 5 + length)), (29, 131)))
    columns = (crop.contacts + crop.origin)[:, 1]
    assert min(length, 12) <= len(columns) <= 24
    assert columns.min() == 5
    assert columns.max() >= 5 + length - np.diff(columns).max() - 1


@pytest.mark.parametrize(("least", "margin"), [(3, 7 + 2), (11, 11 + 2)])
def test_the_surroundings_are_as_wide_as_the_defect_or_the_caller_asks(least, margin):
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    mask = marked((slice(15, 19), slice(20, 31)))
    crop = cut_crop(image, mask, least)
    area = (slice(15 - margin, 19 + margin), slice(20 - margin, 31 + margin))
    assert crop.origin == (15 - margin, 20 - margin)
    assert crop.shape == SIZE
    assert np.array_equal(crop.image, image[area])
    assert np.array_equal(crop.mask, mask[area])


def test_a_crop_at_the_border_ends_there():
    crop = crop_of(marked((slice(0, 6), slice(40, 53))))
    assert crop.origin == (0, 40 - 10)
    assert crop.mask.shape == (6 + 10, 13 + 10)


def test_the_middle_of_the_box_is_the_same_place_in_crop_and_shot():
    crop = crop_of(marked((slice(12, 17), slice(20, 31))))
    assert crop.place.tolist() == [14, 25]
    assert (crop.centre + crop.origin).tolist() == [14, 25]
    assert crop.extent == 11


def test_the_middle_of_a_box_of_even_sides_is_a_whole_pixel():
    assert crop_of(marked((slice(12, 18), slice(20, 30)))).place.tolist() == [14, 24]


def test_away_is_the_distance_to_the_nearest_pixel_of_the_defect():
    crop = crop_of(marked((slice(12, 17), slice(20, 31))))
    places, inside = np.indices(crop.mask.shape).reshape(2, -1).T, np.argwhere(crop.mask)
    longhand = np.sqrt(((places[:, None] - inside) ** 2).sum(-1)).min(1)
    assert np.allclose(crop.away.ravel(), longhand, atol=1e-3)
