from dataclasses import fields, replace

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError
from scipy import ndimage

from synth.placing.config import SEVERITY, Severity
from synth.placing.crop import cut_crop
from synth.placing.depth import thickness
from synth.placing.paste import paste
from synth.placing.pose import Pose
from synth.placing.variation import UNVARIED, Variation, bending, draw_variation
from tests.synth.placing.scenes import crop_of, grain, marked, plate

SHOT, GOOD = (131, 173), (157, 211)
MIDDLE = Pose(78.3, 105.6)
LINE = marked((slice(60, 64), slice(30, 140)), SHOT)
DENT = marked((slice(50, 80), slice(60, 105)), SHOT)
NOTHING = np.zeros(GOOD, bool)


class Asked(BaseModel):
    severity: Severity = SEVERITY


def drawn(count: int = 60, severity: tuple[float, float] = (1.0, 1.0)) -> list[Variation]:
    return [draw_variation(np.random.default_rng(seed), severity) for seed in range(count)]


def test_a_seed_gives_the_same_numbers_and_every_number_varies():
    assert drawn() == drawn()
    for field in fields(Variation):
        values = {getattr(one, field.name) for one in drawn(severity=(0.5, 2.0))}
        assert len(values) > 20, field.name


@pytest.mark.parametrize("asked", [0.3, 1.0, 2.0])
def test_severity_multiplies_contrast_and_its_root_multiplies_size(asked):
    found = drawn(200, (asked, asked))
    assert [one.severity for one in found] == pytest.approx([asked] * 200)
    assert np.median([one.contrast for one in found]) == pytest.approx(asked, rel=0.05)
    assert np.median([one.scale for one in found]) == pytest.approx(np.sqrt(asked), rel=0.05)


@pytest.mark.parametrize("wrong", [(0.0, 1.0), (1.5, 0.5), (1.0, 3.0), (float("nan"), 1.0)])
def test_a_severity_that_nothing_can_have_is_refused_with_what_is_wanted(wrong):
    with pytest.raises(ValidationError, match=r"wanted two numbers of 0\.3 to 2"):
        Asked(severity=wrong)


def test_no_variation_is_the_shot_as_it_is():
    good = plate(NOTHING, 150, 150, 20)
    plain, same = paste(good, crop_of(DENT), MIDDLE), paste(good, crop_of(DENT), MIDDLE, variation=UNVARIED)
    assert all(np.array_equal(a, b) for a, b in zip(plain, same, strict=True))


@pytest.mark.parametrize("mask", [LINE, DENT])
def test_pixels_and_mask_are_bent_together_and_keep_area_and_width(mask):
    crop, good = crop_of(mask, 180, 60, noise=5), plate(NOTHING, 180, 180, 5)
    straight, areas, widths = paste(good, crop, MIDDLE)[1], [], []
    for seed in range(12):
        image, bent = paste(good, crop, MIDDLE, feather=0, variation=Variation(bend=0.5, bend_seed=seed))
        assert (image[bent].mean(axis=-1) < 120).mean() > 0.9
        assert (image[~bent].mean(axis=-1) < 120).sum() < 0.25 * bent.sum()
        assert (bent != straight).sum() > 0.03 * straight.sum()
        areas.append(bent.sum() / straight.sum())
        widths.append(thickness(bent) / thickness(straight))
    assert np.median(areas) == pytest.approx(1, abs=0.04)
    assert np.median(widths) == pytest.approx(1, abs=0.04)
    assert np.ptp(areas) < 0.3


def test_what_the_border_cuts_off_is_not_moved_across_it():
    crop = cut_crop(plate(DENT, 180, 60, 0), marked((slice(0, 30), slice(60, 105)), SHOT), 8)
    moved = bending(Variation(bend=0.5), crop)
    assert moved is not None
    assert not moved[..., 0].any()
    assert moved[..., 1].any()


def test_thin_defects_are_bent_gently_and_large_ones_by_a_small_share_of_the_image():
    moved = {name: bending(Variation(bend=0.5), crop_of(mask)) for name, mask in (("line", LINE), ("dent", DENT))}
    slopes = {name: np.abs(np.gradient(field[..., 0], axis=(0, 1))).max() for name, field in moved.items()}
    assert max(slopes.values()) < 0.6
    assert all(field.std() < 2 * 0.006 * min(SHOT) for field in moved.values())


def test_a_margin_brings_the_shots_own_surroundings_along_but_not_into_the_label():
    crop, good = crop_of(DENT, noise=30), plate(NOTHING, 180, 180, 30, seed=1)
    reach, masks = [], []
    for margin in (0.0, 2.0, 4.0):
        image, mask = paste(good, crop, MIDDLE, feather=0, variation=Variation(margin=margin))
        away = ndimage.distance_transform_edt(~mask)
        reach.append(away[(image != good).any(-1)].max())
        masks.append(mask)
    assert reach == pytest.approx([1, 2, 4], abs=1)
    assert np.array_equal(masks[0], masks[2])


@pytest.mark.parametrize("gamma", [0.85, 1.18])
def test_gamma_bends_the_tones_and_leaves_the_surroundings_level(gamma):
    crop, good = crop_of(DENT, 150, 60), plate(NOTHING, 150, 150, 0)
    image, mask = paste(good, crop, MIDDLE, variation=Variation(gamma=gamma))
    inside = ndimage.binary_erosion(mask, iterations=3)
    assert image[inside].mean() == pytest.approx(150 * (60 / 150) ** gamma, abs=2)


@pytest.mark.parametrize("contrast", [0.3, 1.5, 2.0])
def test_contrast_multiplies_the_depth_but_never_the_grain(contrast):
    shot = grain(SHOT, 1, 0.7) / 4 + np.where(DENT, 68, 98)
    crop = cut_crop(np.repeat(shot[..., None], 3, axis=2).astype(np.uint8), DENT, 8)
    good = np.repeat(grain(GOOD, 2, 0.7)[..., None] / 4 + 98, 3, axis=2).astype(np.uint8)
    found = {}
    for factor in (1.0, contrast):
        image, mask = paste(good, crop, MIDDLE, variation=Variation(contrast=factor))
        inside = ndimage.binary_erosion(mask, iterations=2)
        fine = image[..., 0] - ndimage.gaussian_filter(image[..., 0].astype(float), 2)
        found[factor] = (good[inside].mean() - image[inside].mean(), fine[inside].std())
    assert found[contrast][0] == pytest.approx(contrast * found[1.0][0], rel=0.1)
    assert found[contrast][1] <= 1.1 * found[1.0][1]
    assert contrast < 1 or found[contrast][1] == pytest.approx(found[1.0][1], rel=0.15)


def test_severity_alone_changes_nothing_else():
    assert replace(UNVARIED, severity=2.0).scale == 1.0
