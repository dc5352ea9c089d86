import numpy as np
import pytest

from synth.placing.pose import Pose
from synth.placing.room import has_room
from tests.synth.placing.scenes import SIZE, crop_of, marked

INNER = crop_of(marked((slice(14, 20), slice(18, 38))))
CUT_OFF = crop_of(marked((slice(12, 20), slice(39, 53))))


def seen(crop, pose, shape):
    """The share of the defect that lies inside."""
    laid = pose.at(np.argwhere(crop.mask), crop)
    return float(((laid > -0.5) & (laid < np.array(shape) - 0.5)).all(axis=1).mean())


@pytest.mark.parametrize("degrees", [0, 40, 90])
def test_a_whole_defect_may_lie_anywhere_inside_and_nowhere_else(degrees):
    room = has_room(INNER, Pose(0, 0, degrees), SIZE, SIZE)
    shares = np.array([seen(INNER, Pose(row, column, degrees), SIZE) for row, column in np.ndindex(SIZE)])
    assert room.ravel()[shares == 1].all()
    assert shares[room.ravel()].min() > 0.8
    assert 0.2 < room.mean() < 0.6


@pytest.mark.parametrize(
    ("degrees", "mirrored", "border"),
    [(0, False, "right"), (0, True, "left"), (90, False, "top"), (180, False, "left"), (90, True, "bottom")],
)
def test_a_defect_that_the_right_border_cuts_off_lies_where_the_border_does_so_again(degrees, mirrored, border):
    room = has_room(CUT_OFF, Pose(0, 0, degrees, mirrored), SIZE, SIZE)
    far = {"right": 52, "bottom": 36}.get(border, 0)
    places = np.argwhere(room)[:, 0 if border in ("top", "bottom") else 1]
    assert np.abs(places - far).max() <= 6.5 + 6
    assert np.abs(places - far).min() <= 6.5
    along = room.any(axis=1 if border in ("left", "right") else 0)
    assert along.mean() > 0.6


def test_a_defect_that_is_cut_off_has_no_room_when_turned_away_from_the_border():
    assert not has_room(CUT_OFF, Pose(0, 0, 40), SIZE, SIZE).any()


def test_a_defect_from_border_to_border_fits_images_of_its_own_width_only():
    crop = crop_of(marked((slice(12, 16), slice(0, 53))))
    assert has_room(crop, Pose(0, 0), SIZE, SIZE).any()
    assert not has_room(crop, Pose(0, 0), (37, 83), (37, 83)).any()
    assert has_room(crop, Pose(0, 0, scale=83 / 53), (37, 83), (37, 83)).any()


@pytest.mark.parametrize("crop", [INNER, CUT_OFF])
def test_room_on_a_coarse_grid_is_that_of_the_image(crop):
    fine = has_room(crop, Pose(0, 0), (74, 106), (74, 106))
    coarse = has_room(crop, Pose(0, 0), SIZE, (74, 106))
    assert coarse.any()
    assert abs(coarse.mean() - fine.mean()) < 0.06
    assert np.argwhere(coarse).mean(axis=0) * 2 + 0.5 == pytest.approx(np.argwhere(fine).mean(axis=0), abs=1.5)
