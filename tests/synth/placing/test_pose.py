import numpy as np
import pytest

from synth.placing.pose import Pose, onto
from tests.synth.placing.scenes import crop_of, marked

CROP = crop_of(marked((slice(12, 21), slice(20, 36))))


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, -135.0])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.3])
def test_a_dot_lands_where_the_pose_says(degrees, mirrored, scale):
    pose = Pose(30.25, 41.5, degrees, mirrored, scale)
    dot = CROP.centre + np.array([3.3, -6.4])
    rows, columns = np.indices(CROP.mask.shape)
    plane = np.exp(-((rows - dot[0]) ** 2 + (columns - dot[1]) ** 2) / 2 / 1.5**2).astype(np.float32)
    laid = onto(plane, pose, CROP, 5, 9, (59, 71))
    rows, columns = np.indices(laid.shape)
    found = np.array([(rows * laid).sum(), (columns * laid).sum()]) / laid.sum() + (5, 9)
    assert found == pytest.approx(pose.at(dot[None], CROP)[0], abs=0.05)


@pytest.mark.parametrize(
    ("pose", "place"),
    [
        (Pose(20, 30), (20, 40)),
        (Pose(20, 30, degrees=90), (10, 30)),
        (Pose(20, 30, degrees=90, scale=2), (0, 30)),
        (Pose(20, 30, mirrored=True), (20, 20)),
        (Pose(20, 30, degrees=90, mirrored=True), (30, 30)),
        (Pose(20, 30).moved(2, -3), (22, 37)),
    ],
)
def test_what_lies_to_the_right_is_mirrored_first_and_turned_counter_clockwise_then(pose, place):
    assert pose.at(CROP.centre[None] + (0, 10), CROP)[0] == pytest.approx(place)


def test_all_planes_of_an_image_are_laid_alike_and_nothing_lies_beyond_the_crop():
    image = np.random.default_rng(0).random((*CROP.mask.shape, 3)).astype(np.float32) + 1
    pose = Pose(30, 41, 25)
    laid = onto(image, pose, CROP, 0, 0, (67, 83))
    assert np.allclose(laid[..., 1], onto(np.ascontiguousarray(image[..., 1]), pose, CROP, 0, 0, (67, 83)))
    assert (laid[30, 41] > 0.9).all()
    assert (laid[:4] == 0).all()


def test_what_is_too_fine_for_a_shrunk_crop_is_smoothed_and_the_rest_stays():
    columns = np.indices(CROP.mask.shape)[1]
    fine, coarse = ((columns // width % 2).astype(np.float32) for width in (1, 8))
    laid = [onto(plane, Pose(30, 41, 10, scale=0.5), CROP, 28, 37, (5, 9)) for plane in (fine, coarse)]
    assert laid[0].std() < 0.15
    assert laid[1].std() > 0.3
