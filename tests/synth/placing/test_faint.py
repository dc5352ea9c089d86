from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from synth.placing.crop import DefectCrop, cut_crop
from synth.placing.faint import film, is_faint, with_own_grain
from synth.placing.paste import paste
from synth.placing.pose import Pose
from synth.placing.surroundings import Surroundings
from synth.sample import Sample
from tests.synth.placing.scenes import grain

SHOT, GOOD = (171, 207), (183, 211)


def disc(radius: float, size: tuple[int, int] = SHOT) -> np.ndarray:
    rows, columns = np.indices(size)
    return np.hypot(rows - size[0] // 2, columns - size[1] // 2) <= radius


def stained(mask: np.ndarray, depth: float, seed: int = 0, own: float = 0) -> np.ndarray:
    """A grainy surface (H, W, 3) uint8, darker by `depth` in the mask, with more grain of its own there."""
    soft = ndimage.gaussian_filter(mask.astype(float), 2)
    more = own * (grain(mask.shape, seed + 7, 0.7) - 128) * mask
    return (
        np.repeat((grain(mask.shape, seed) - depth * soft + more)[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)
    )


def stain(radius: float = 32, depth: float = 40, own: float = 0) -> DefectCrop:
    mask = disc(radius)
    return cut_crop(stained(mask, depth, own=own), mask, 8)


@pytest.mark.parametrize(
    ("crop", "faint"),
    [
        (stain(), True),
        (stain(depth=25), True),
        (stain(radius=6), False),  # small
        (stain(depth=110), False),  # deep
        (stain(depth=0), False),  # nothing but grain
        (stain(own=2.5), False),  # with a texture of its own
    ],
)
def test_what_is_large_and_faint_is_measured(crop, faint):
    assert is_faint(crop.image, crop.mask, min(crop.shape)) is faint


def test_the_film_is_as_deep_as_the_stain():
    crop = stain()
    inside = ndimage.binary_erosion(crop.mask, iterations=6)
    assert crop.film.low[inside].mean() == pytest.approx(-40, abs=5)
    assert crop.film.gain == pytest.approx(1, abs=0.2)


def test_a_faint_defect_leaves_the_good_images_own_grain_on_top():
    good = stained(disc(0, GOOD), 0, seed=3)
    for own_pixels in (False, True):
        crop = replace(stain(), faint=not own_pixels)
        image, mask = paste(good, crop, Pose(90, 105))
        inside = ndimage.binary_erosion(mask, iterations=4)
        fine = [plane - ndimage.gaussian_filter(plane, 4) for plane in (image[..., 0] * 1.0, good[..., 0] * 1.0)]
        assert good[inside].mean() - image[inside].mean() == pytest.approx(40, abs=7)
        alike = np.corrcoef(fine[0][inside], fine[1][inside])[0, 1]
        assert alike < 0.3 if own_pixels else alike > 0.95


def test_away_from_a_faint_defect_every_bit_is_the_good_images():
    good = stained(disc(0, GOOD), 0, seed=3)
    image, mask = paste(good, replace(stain(), faint=True), Pose(90, 105, 30, scale=1.1))
    away = ndimage.distance_transform_edt(~mask)
    assert np.array_equal(image[away > 5], good[away > 5])
    assert mask.sum() == pytest.approx(stain().mask.sum() * 1.21, rel=0.03)


def test_what_was_drawn_keeps_its_depth_under_the_grain_of_the_surface():
    mask, ground = disc(30), stained(disc(0), 0, seed=3).astype(float)
    drawn = stained(mask, 50, seed=9).astype(float)
    joined = with_own_grain(ground, drawn, mask)
    inside = ndimage.binary_erosion(mask, iterations=5)
    assert (ground - joined)[inside].mean() == pytest.approx(50, abs=5)
    assert np.corrcoef(joined[inside].ravel(), ground[inside].ravel())[0, 1] > 0.8
    far = ndimage.distance_transform_edt(~mask) > 9
    assert np.array_equal(joined[far], ground[far])


def test_a_mask_without_surroundings_is_not_faint():
    image = stained(np.ones(SHOT, bool), 40)
    assert not is_faint(image, np.ones(SHOT, bool), min(SHOT))


def test_a_film_knows_the_level_of_its_surroundings():
    assert film(stained(disc(32), 40), disc(32)).level == pytest.approx(128, abs=8)


@pytest.mark.parametrize(("depths", "expected"), [((40, 40, 110), 2), ((40, 110, 110, 110), 0)])
def test_a_single_faint_shot_among_others_is_treated_as_they_are(depths, expected):
    mask = disc(32)
    shots = [
        Sample(f"s{n}", stained(mask, depth, seed=n), mask, product="plate", defect="stain")
        for n, depth in enumerate(depths)
    ]
    good = [Sample(f"g{n}", stained(mask, 0, seed=20 + n), product="plate") for n in range(4)]
    assert sum(shot.crop.faint for shot in Surroundings(shots, good).crops("stain")) == expected
