import numpy as np
import pytest

from synth.placing.pose import Pose
from synth.placing.room import has_room, reaching
from tests.synth.placing.scenes import crop_of, marked

SIZE = (74, 106)
INNER = crop_of(marked((slice(28, 48), slice(36, 76)), SIZE))
CUT_OFF = crop_of(marked((slice(20, 44), slice(76, 106)), SIZE))


def share_inside(crop, pose):
    laid = pose.at(np.argwhere(crop.mask)[::7], crop)
    return float(((laid > -0.5) & (laid < np.array(SIZE) - 0.5)).all(axis=1).mean())


@pytest.mark.parametrize("degrees", [0, 40, 90])
def test_a_whole_defect_may_lie_anywhere_inside_and_nowhere_else(degrees):
    room = has_room(INNER, Pose(0, 0, degrees), SIZE, SIZE)
    places = list(np.ndindex(SIZE))[::5]
    shares = np.array([share_inside(INNER, Pose(*place, degrees)) for place in places])
    permitted = np.array([room[place] for place in places])
    assert permitted[shares == 1].all()
    assert shares[permitted].min() > 0.85
    assert 0.1 < permitted.mean() < 0.6


@pytest.mark.parametrize(
    ("degrees", "mirrored", "axis", "border"),
    [(0, False, 1, 105), (0, True, 1, 0), (90, False, 0, 0), (180, False, 1, 0), (90, True, 0, 73), (8, False, 1, 105)],
)
def test_a_defect_that_the_right_border_cuts_off_lies_where_the_border_does_so_again(degrees, mirrored, axis, border):
    room = has_room(CUT_OFF, Pose(0, 0, degrees, mirrored), SIZE, SIZE)
    away = np.abs(np.argwhere(room)[:, axis] - border)
    # Half of its 30 px, 1.5 of play and at most a fifth of it lost beyond.
    assert 8 <= away.min() <= 15
    assert 15 <= away.max() <= 18
    assert room.any(axis=axis).mean() > 0.6


def test_a_defect_that_is_cut_off_has_no_room_askew():
    assert not has_room(CUT_OFF, Pose(0, 0, 40), SIZE, SIZE).any()


def test_a_small_defect_that_the_right_border_cuts_off_has_no_room_along_the_others():
    small = crop_of(marked((slice(40, 46), slice(100, 106)), SIZE))
    grid = (10, 14)
    assert {column for _, column in np.argwhere(has_room(small, Pose(0, 0), grid, SIZE))} <= {12, 13}


@pytest.mark.parametrize(("degrees", "mirrored"), [(0, False), (0, True), (6, False), (90, False), (180, True)])
def test_what_was_cut_off_is_moved_until_the_border_cuts_it_off_again(degrees, mirrored):
    middle = Pose(37, 53, degrees, mirrored)
    pose = reaching(CUT_OFF, middle, SIZE)
    beyond = pose.at(CUT_OFF.contacts, CUT_OFF)
    assert ((beyond < -0.999) | (beyond > np.array(SIZE) - 0.001)).any(axis=1).all()
    assert reaching(CUT_OFF, pose, SIZE) == pose
    assert reaching(INNER, middle, SIZE) == middle


def test_a_defect_from_border_to_border_has_room_in_images_of_its_own_width_only():
    crop, wide = crop_of(marked((slice(12, 40), slice(0, 106)), SIZE)), (74, 150)
    assert has_room(crop, Pose(0, 0), SIZE, SIZE).any()
    assert not has_room(crop, Pose(0, 0), wide, wide).any()
    assert has_room(crop, Pose(0, 0, scale=150 / 106), wide, wide).any()


@pytest.mark.parametrize("crop", [INNER, CUT_OFF], ids=["inner", "cut off"])
def test_room_on_a_coarse_grid_is_that_of_the_image(crop):
    fine, coarse = (has_room(crop, Pose(0, 0), grid, SIZE) for grid in (SIZE, (37, 53)))
    assert np.argwhere(coarse).mean(axis=0) * 2 + 0.5 == pytest.approx(np.argwhere(fine).mean(axis=0), abs=1.5)
    assert np.ptp(np.argwhere(coarse), axis=0) * 2 == pytest.approx(np.ptp(np.argwhere(fine), axis=0), abs=12)
