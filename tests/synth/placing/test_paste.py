import numpy as np
import pytest
from scipy import ndimage

from synth.placing.crop import cut_crop
from synth.placing.paste import paste
from synth.placing.pose import Pose
from tests.synth.placing.scenes import crop_of, marked, plate

SHOT = (67, 83)
GOOD = (97, 113)
DENT = marked((slice(24, 43), slice(30, 53)), SHOT)
NOTHING = np.zeros(GOOD, bool)
POSE = Pose(50.3, 61.6, 25.0, scale=0.9)


def good_plate(ground: float, noise: int = 0) -> np.ndarray:
    return plate(NOTHING, ground, ground, noise, seed=1)


@pytest.mark.parametrize("feather", [0.0, 1.0, 2.0])
def test_away_from_the_mask_every_bit_is_the_good_images(feather):
    good = good_plate(150, noise=30)
    before = good.copy()
    image, mask = paste(good, crop_of(DENT, noise=10), POSE, feather)
    away = ndimage.distance_transform_edt(~mask)
    assert np.array_equal(image[away > 2 + 4 * feather], good[away > 2 + 4 * feather])
    assert np.array_equal(good, before)
    assert (image[mask] != good[mask]).any(-1).mean() > 0.9


@pytest.mark.parametrize("pose", [Pose(50, 60), POSE, Pose(40.2, 50.7, -110, True, 1.1), Pose(48, 55, 90, scale=0.7)])
def test_the_mask_is_the_shots_moved(pose):
    _, mask = paste(good_plate(150), crop_of(DENT), pose)
    assert mask.sum() == pytest.approx(DENT.sum() * pose.scale**2, rel=0.05)
    assert np.argwhere(mask).mean(axis=0) == pytest.approx((pose.row, pose.column), abs=0.3)


def test_on_the_shots_own_background_the_defect_is_as_it_was():
    shot = np.random.default_rng(0).integers(60, 200, (*SHOT, 3), dtype=np.uint8)
    clean, crop = shot.copy(), cut_crop(shot, DENT, 8)
    clean[DENT] = 150
    image, mask = paste(clean, crop, Pose(*crop.place), feather=0)
    assert np.array_equal(mask, DENT)
    assert np.abs(image.astype(int) - shot).max() <= 1


def test_the_pixels_of_the_shot_are_turned_with_its_mask():
    crop = crop_of(DENT)
    crop.image[crop.mask & (np.indices(crop.mask.shape)[1] > crop.centre[1])] = 110
    image, mask = paste(good_plate(180), crop, Pose(50, 60, 90), feather=0)
    assert mask[42:50, 52:69].all()
    # What was bright on the right is bright above after a turn counter-clockwise.
    assert np.abs(image[42:48, 53:67].astype(int) - 110).max() <= 2
    assert np.abs(image[53:59, 53:67].astype(int) - 60).max() <= 2


@pytest.mark.parametrize(("ground", "mark"), [(140, 70), (200, 100), (255, 127)])
def test_a_defect_is_darker_by_the_same_ratio_on_a_surface_in_other_light(ground, mark):
    image, mask = paste(good_plate(ground, noise=3 if ground < 250 else 0), crop_of(DENT, 200, 100, noise=3), POSE)
    inside = ndimage.binary_erosion(mask, iterations=3)
    assert image[inside].mean() == pytest.approx(mark, abs=2)


def test_light_that_falls_off_across_the_place_falls_off_across_the_defect():
    light = np.linspace(130, 170, GOOD[1])
    good = np.repeat(np.broadcast_to(light[None, :, None], (*GOOD, 1)), 3, axis=2).astype(np.uint8)
    image, mask = paste(good, crop_of(DENT, 150, 90), Pose(50, 60))
    columns = [image[42:58, at].mean() for at in (51, 69)]
    assert columns[1] - columns[0] > 2
    assert image[ndimage.binary_erosion(mask, iterations=3)].mean() == pytest.approx(90, abs=6)


def test_grey_stays_grey():
    image, _ = paste(good_plate(150, noise=20), crop_of(DENT, noise=20), POSE)
    assert np.array_equal(image[..., 0], image[..., 1])
    assert np.array_equal(image[..., 0], image[..., 2])


@pytest.mark.parametrize(("contrast", "mark"), [(1.0, 120), (0.5, 150), (1.25, 105)])
def test_contrast_multiplies_the_difference_to_the_surroundings(contrast, mark):
    image, mask = paste(good_plate(180), crop_of(DENT, 180, 120), POSE, contrast=contrast)
    assert image[ndimage.binary_erosion(mask, iterations=3)].mean() == pytest.approx(mark, abs=1.5)


def test_the_edge_fades_over_as_many_px_as_asked():
    good, reach = good_plate(150, noise=30), []
    for feather in (0.0, 1.0, 3.0):
        image, mask = paste(good, crop_of(DENT, noise=30), Pose(50, 60), feather)
        reach.append(ndimage.distance_transform_edt(~mask)[(image != good).any(-1)].max())
    assert reach[0] <= 1 < 3 <= reach[1] < reach[2] - 3


@pytest.mark.parametrize("scale", [0.8, 0.9, 1.0])
def test_a_line_of_one_px_does_not_break_wherever_and_however_it_lies(scale):
    crop = crop_of(marked((slice(33, 34), slice(20, 61)), SHOT))
    rng = np.random.default_rng(0)
    poses = [Pose(48 + rng.random(), 56 + rng.random(), rng.uniform(-180, 180), False, scale) for _ in range(80)]
    for pose in [Pose(48.5, 56, scale=scale), Pose(48, 56.5, 90, scale=scale), *poses]:
        _, mask = paste(good_plate(180), crop, pose)
        assert ndimage.label(mask, np.ones((3, 3)))[1] == 1
        places = np.argwhere(mask)
        assert np.hypot(*np.ptp(places, axis=0)) == pytest.approx(40 * scale, abs=2.5)


def test_a_defect_at_the_border_is_cut_off_there_and_one_beyond_it_changes_nothing():
    crop, good = crop_of(DENT), good_plate(180)
    _, mask = paste(good, crop, Pose(50, 0))
    assert mask.sum() == pytest.approx(DENT.sum() / 2, rel=0.1)
    image, mask = paste(good, crop, Pose(50, 400))
    assert not mask.any()
    assert np.array_equal(image, good)
