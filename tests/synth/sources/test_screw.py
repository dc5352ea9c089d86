"""The screw: free in place and angle, its features known pixel by pixel, and every defect on its own feature."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from synth.sample import Sample
from synth.sources.procedural import PRODUCTS, make_part
from synth.sources.procedural.part import Part, View
from synth.sources.procedural.screw import ENDS, HEAD, NECK, THREAD, TIP, crosswise, feature_map

SEEDS = range(40)
PLACE = {"scratch_head": HEAD, "scratch_neck": NECK, "thread_dent": THREAD, "bent_tip": TIP}
ENTRY = PRODUCTS["screw"]


@cache
def good(seed: int) -> Sample:
    return make_part("screw", None, seed)


def built(seed: int, shape: tuple[int, int] = (192, 192)) -> Part:
    return ENTRY.build(View(shape, ENTRY.frame), np.random.default_rng(seed))


def heading(features: np.ndarray) -> float:
    """Angle in radians from the head's middle to the tip's, as the image shows it."""
    head, tip = (np.array(ndimage.center_of_mass(features == feature)) for feature in (HEAD, TIP))
    return float(np.arctan2(*(tip - head)))


def test_the_angle_is_spread_over_the_full_circle():
    angles = np.array([heading(good(seed).meta["features"]) for seed in SEEDS])
    counts, _ = np.histogram(angles, bins=8, range=(-np.pi, np.pi))
    assert counts.min() >= 1
    assert np.abs(np.exp(1j * angles).mean()) < 0.35
    assert np.abs(np.exp(2j * angles).mean()) < 0.35  # not a screw that only lies upright or level


def test_the_axial_map_runs_from_head_to_tip_and_crosswise_at_right_angles_to_it():
    for seed in range(8):
        part = built(seed, (120, 150))
        assert part.axial is not None
        slope = np.array([step.mean() for step in np.gradient(part.axial, part.pitch)])
        assert np.hypot(*slope) == pytest.approx(1, abs=1e-3)
        angle = np.arctan2(*slope)
        assert np.cos(angle - heading(feature_map(part))) > 0.999
        across, (x, y) = crosswise(part)
        assert x * slope[1] + y * slope[0] == pytest.approx(0, abs=1e-3)
        assert np.abs(np.abs(across[part.inside > 0]).max() - 6.4e-3) < 1.5 * part.pitch
        on = part.axial[part.inside > 0]
        assert 0 <= on.min() < 2 * part.pitch
        assert 0 <= ENDS[TIP] - on.max() < 2 * part.pitch


def test_the_part_lies_inside_the_frame_and_covers_a_small_share_of_it():
    places = []
    for seed in SEEDS:
        foreground = good(seed).meta["foreground"]
        assert 0.06 <= foreground.mean() <= 0.2, seed
        border = np.ones_like(foreground)
        border[3:-3, 3:-3] = False
        assert not (foreground & border).any(), seed
        assert ndimage.label(foreground)[1] == 1, seed
        places.append(ndimage.center_of_mass(foreground))
    assert np.std(places, axis=0).min() > 0.08 * 192


def test_features_cover_the_part_and_follow_one_another():
    for seed in SEEDS:
        sample = good(seed)
        features = sample.meta["features"]
        assert features.dtype == np.uint8
        np.testing.assert_array_equal(features > 0, sample.meta["foreground"])
        assert set(np.unique(features)) == {0, HEAD, NECK, THREAD, TIP}
        grown = {f: ndimage.binary_dilation(features == f, iterations=2) for f in (HEAD, NECK, THREAD, TIP)}
        assert (grown[HEAD] & grown[NECK]).any()
        assert (grown[NECK] & grown[THREAD]).any()
        assert (grown[THREAD] & grown[TIP]).any()
        assert not (grown[HEAD] & grown[THREAD]).any()
        assert not (grown[NECK] & grown[TIP]).any()


def test_the_thread_has_twelve_to_eighteen_teeth_on_the_outline_and_the_neck_has_none():
    for seed in range(4):
        part = built(seed, (640, 640))
        assert part.axial is not None
        across, _ = crosswise(part)
        on = part.inside > 0

        def outline(start: float, end: float, on=on, part=part, across=across) -> np.ndarray:
            """Largest distance from the axis on one side, metres, in steps of 0.1 mm along it."""
            steps = ((part.axial - start) / 0.1e-3).astype(int)
            seen = on & (part.axial >= start) & (part.axial < end) & (across > 0)
            return ndimage.maximum(across[seen], steps[seen], range(steps[seen].max() + 1))

        thread = outline(ENDS[NECK], ENDS[THREAD])
        level = np.median(thread)
        smooth = ndimage.gaussian_filter1d(thread - level, 2)
        teeth = (np.diff(np.signbit(smooth)) != 0).sum() / 2
        assert 12 <= np.rint(teeth) <= 18, seed
        assert 0.4e-3 < np.ptp(thread) < 1.2e-3
        assert np.ptp(outline(ENDS[HEAD] + 0.3e-3, ENDS[NECK] - 0.7e-3)) < 2 * part.pitch


def test_the_part_rises_as_a_turned_part_on_a_table():
    part = built(1)
    features = feature_map(part)
    across, _ = crosswise(part)
    middle = np.abs(across) < part.pitch
    tops = [np.median(part.height[middle & (features == feature)]) for feature in (HEAD, NECK, THREAD, TIP)]
    assert tops == sorted(tops, reverse=True)
    assert 10e-3 < tops[0] < 13e-3
    assert np.abs(part.height[part.inside < -part.pitch]).max() < 0.1e-3


@pytest.mark.parametrize("defect", PLACE)
def test_a_defect_lies_on_its_feature_and_is_smaller_than_it(defect):
    for seed in SEEDS:
        sample = make_part("screw", defect, seed)
        features = sample.meta["features"]
        np.testing.assert_array_equal(features, good(seed).meta["features"])
        nearest = ndimage.distance_transform_edt(features == 0, return_distances=False, return_indices=True)
        place = features == PLACE[defect]
        if defect in ("thread_dent", "bent_tip"):  # the outline changes: the table beside the feature counts as well
            place |= (features == 0) & (features[tuple(nearest)] == PLACE[defect])
        assert (sample.mask & place).sum() >= 0.9 * sample.mask.sum(), seed
        share = sample.mask[features == PLACE[defect]].mean()
        assert share < (1.0 if defect == "bent_tip" else 0.3), seed


@pytest.mark.parametrize("defect", PLACE)
def test_the_table_changes_only_where_the_outline_does(defect):
    for seed in range(12):
        part = built(seed)
        spoilt = ENTRY.defects[defect](part, np.random.default_rng(seed + 100), 1.0)
        differs = (spoilt.albedo != part.albedo).any(-1) | (spoilt.height != part.height)
        reach = 3e-3 if defect == "bent_tip" else 0.5 * part.pitch
        assert not (differs & (part.inside < -reach)).any(), seed
        if defect.startswith("scratch"):
            assert not (differs & (part.inside <= 0)).any(), seed
        assert spoilt.axial is part.axial


def test_thread_dent_and_broken_or_bent_tip_show_table_where_the_part_was():
    for defect in ("thread_dent", "bent_tip"):
        bared = 0
        for seed in range(12):
            part = built(seed)
            spoilt = ENTRY.defects[defect](part, np.random.default_rng(seed), 1.0)
            gone = (part.inside > part.pitch) & (spoilt.height < 0.1e-3)
            bared += gone.any()
            if gone.any():
                table = part.inside < -2 * part.pitch
                assert np.abs(spoilt.albedo[gone].mean() / part.albedo[table].mean() - 1) < 0.1
        assert bared >= 9


def test_a_good_duplicate_has_an_empty_mask_and_other_products_have_no_features():
    assert not any(good(seed).mask.any() for seed in SEEDS)
    assert "features" not in make_part("tile", None, 0, 64).meta
