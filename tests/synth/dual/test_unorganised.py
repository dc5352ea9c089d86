"""Unorganised clouds: direction, labels, spacing, walls, and faults of published generators that ours must not have."""

from functools import cache

import numpy as np
import pytest

from synth.dual import DefectSpec, DualSynthesizer
from synth.dual.surface import prepare_surface
from synth.dual.unorganised import draw_on_cloud
from synth.errors import SampleError
from synth.sample import Cloud, Sample
from tests.synth.dual.scans import ball_cloud

RADIUS = 0.04
FLAT = {"scale": "none", "aspect": (1, 1), "ragged": 0, "skew": 0, "profile": ("cosine",)}


SEEN = 1.6e-7
"""Metres: a little above what counts as moved on the ball, so that rounding decides nothing."""


def untouched(made):
    """Points (n,) bool of a drawn cloud that were not added: they come first, in the order of the source."""
    source = made.meta["dual"]["source_index"]
    falls = np.diff(source) <= 0
    return np.arange(len(source)) <= (np.argmax(falls) if falls.any() else len(source))


@cache
def ball():
    sample = ball_cloud()
    return sample, prepare_surface("ball", sample.cloud)


def spec(kind, **changes):
    return DefectSpec.of(kind, **{**FLAT, "radius_mm": (8, 12), "amp_mm": (0.8, 2), **changes})


@pytest.mark.parametrize(("kind", "sign"), [("bulge", 1), ("dent", -1)])
def test_direction_and_labels_hold_for_a_thousand_seeds_on_a_closed_surface(kind, sign):
    sample, surface = ball()
    before = np.linalg.norm(sample.cloud.points, axis=1)
    labelled = right = 0
    for seed in range(1000):
        made = draw_on_cloud(sample, [spec(kind)], seed, surface)
        own, labels = untouched(made), made.cloud.labels
        away = np.linalg.norm(made.cloud.points, axis=1) - before[made.meta["dual"]["source_index"]]
        moved = np.abs(away) > SEEN
        assert labels.any()
        assert (labels | ~moved)[own].all()  # recall 1
        labelled += (labels & own).sum()
        right += (moved & labels & own).sum()
        assert (sign * away[moved & own] > 0).all()
    assert right >= 0.99 * labelled


@pytest.mark.parametrize("kind", ["pits", "hole", "through_hole", "crack", "scratch", "chip", "cut", "bend", "deposit"])
def test_every_geometric_type_works_on_clouds(kind):
    sample, surface = ball()
    for seed in range(6):
        made = draw_on_cloud(sample, [DefectSpec.of(kind)], seed, surface)
        assert np.isfinite(made.cloud.points).all()
        assert 0 < made.cloud.labels.mean() < 0.6
        assert np.abs(np.linalg.norm(made.cloud.normals, axis=1) - 1).max() < 1e-3


def test_a_draw_repeats_and_seeds_differ():
    sample, surface = ball()
    first, again, other = (draw_on_cloud(sample, [spec("dent")], seed, surface) for seed in (7, 7, 8))
    assert np.array_equal(first.cloud.points, again.cloud.points)
    assert first.cloud.points.shape != other.cloud.points.shape or (first.cloud.points != other.cloud.points).any()


def test_two_defects_keep_apart():
    sample, surface = ball()
    made = draw_on_cloud(sample, [spec("dent"), spec("bulge")], 3, surface)
    assert set(np.unique(made.meta["dual"]["instances"])) == {0, 1, 2}


def test_bad_clouds_are_refused_with_a_remedy():
    points = ball_cloud(300).cloud.points
    broken = points.copy()
    broken[4] = np.nan
    cases = [
        (broken, "1 of 300 points are NaN"),
        (points[:3], "3 points, wanted at least 100"),
        (np.zeros_like(points), "all its points are one"),
        (points * 10_000, "millimetres"),
    ]
    for array, words in cases:
        with pytest.raises(SampleError, match=words):
            DualSynthesizer("dent").draw(Sample(id="bad", cloud=Cloud(array.astype(np.float32))), seed=0)
    with pytest.raises(SampleError, match="a stain shows in colours alone"):
        DualSynthesizer("stain").draw(ball_cloud(300), seed=0)
