"""Unorganised clouds: direction, labels, spacing, walls, and faults of published generators that ours must not have."""

from functools import cache

import numpy as np
import pytest
from scipy.spatial import Delaunay, cKDTree

from synth.dual import DefectSpec, DualSynthesizer
from synth.dual.config import DualConfig
from synth.dual.generator import DualGenerator
from synth.dual.partial import visible
from synth.dual.surface import prepare_surface
from synth.dual.unorganised import draw_on_cloud
from synth.errors import GeneratorError, SampleError
from synth.generators import Request
from synth.io.outward import oriented
from synth.sample import Cloud, Sample
from tests.synth.dual.scans import ball_cloud, scaled, slab_cloud

RADIUS = 0.04
FLAT = {"scale": "none", "aspect": (1, 1), "ragged": 0, "skew": 0, "profile": ("cosine",)}
SEEN = 1.6e-7
"""Metres: a little above what counts as moved on the ball, so that rounding decides nothing."""


def untouched(made):
    """Points (n,) bool of a drawn cloud that were not added: they come first, in the order of the source."""
    source = made.provenance.masks.source
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
        away = np.linalg.norm(made.cloud.points, axis=1) - before[made.provenance.masks.source]
        moved = np.abs(away) > SEEN
        assert labels.any()
        assert (labels | ~moved)[own].all()  # recall 1
        labelled += (labels & own).sum()
        right += (moved & labels & own).sum()
        assert (sign * away[moved & own] > 0).all()
    assert right >= 0.99 * labelled


def test_labels_do_not_depend_on_the_unit_of_the_cloud():
    # A released generator matched labels by position to an absolute 1e-4: recall 0.14 in metres, 0.00 in mm.
    sample, _ = ball()
    for seed in range(20):
        counts = []
        for factor in (1.0, 0.01, 10.0):
            size = scaled(sample, factor)
            made = DualSynthesizer(spec("dent", scale="size")).draw(size, seed)
            source = made.provenance.masks.source
            step = np.linalg.norm(made.cloud.points - size.cloud.points[source], axis=1)
            own, moved = untouched(made), step > SEEN * factor
            assert (made.cloud.labels[own] | ~moved[own]).all()
            counts.append(int(made.cloud.labels.sum()))
        assert max(counts) - min(counts) <= 2


def test_the_push_follows_the_normal_and_not_its_absolute_value():
    # A released generator pushes along |n| element by element: half its points go the wrong way.
    sample, surface = ball()
    cosines = []
    for seed in range(60):
        made = draw_on_cloud(sample, [spec("bulge")], seed, surface)
        source = made.provenance.masks.source
        step = (made.cloud.points - sample.cloud.points[source]).astype(float)
        length = np.linalg.norm(step, axis=1)
        own = (length > 2e-4) & untouched(made)
        cosines.append((step[own] / length[own, None] * surface.normals[source[own]]).sum(1).min())
    assert min(cosines) > 0.95


def test_a_bump_never_vanishes_for_want_of_an_outward_normal():
    # A released generator gates by a normal that points inwards for half of the seeds: a bump of 2e-6 mm for 1 mm.
    bare = ball_cloud(normals=False)
    surface = prepare_surface("bare", bare.cloud)
    for seed in range(30):
        made = draw_on_cloud(bare, [spec("bulge", amp_mm=(1, 1))], seed, surface)
        tallest = np.linalg.norm(made.cloud.points, axis=1).max() - RADIUS
        assert 0.8e-3 < tallest < 1.05e-3


def test_amplitude_is_metric_whatever_the_density():
    # A released generator takes a squared neighbour distance for a length: its peak grows with unit and density.
    for points in (2000, 8000):
        made = DualSynthesizer(spec("dent", amp_mm=(1.5, 1.5))).draw(ball_cloud(points), seed=5)
        deepest = RADIUS - np.linalg.norm(made.cloud.points, axis=1).min()
        assert deepest == pytest.approx(1.5e-3, rel=0.1)


def test_normals_point_outward_everywhere_without_being_given():
    points = ball_cloud(normals=False).cloud.points.astype(float)
    normals = oriented(points, cKDTree(points)).normals
    assert ((normals * points).sum(1) > 0.99 * RADIUS).all()


def test_the_other_side_of_a_thin_wall_stays():
    sample = slab_cloud()
    for seed in range(10):
        made = DualSynthesizer(spec("dent", amp_mm=(0.5, 0.5))).draw(sample, seed)
        source = made.provenance.masks.source[made.cloud.labels]
        assert len(set(sample.cloud.normals[source, 2].tolist())) == 1


def test_spacing_is_kept_where_the_surface_stretches():
    sample, surface = ball()
    deep = spec("hole", radius_mm=(10, 10), amp_mm=(8, 8), profile=("flat",))
    # The wall: from the last points of the floor to the first beyond the rim, a slope 8 mm high and about 2 mm wide.
    ring = np.pi * ((10 + 1) ** 2 - (10 - 1) ** 2)
    new_area = ring * (np.hypot(8, 2) / 2 - 1)
    worth = new_area * len(sample.cloud.points) / (4 * np.pi * 40**2)
    for seed in range(5):
        made = draw_on_cloud(sample, [deep], seed, surface)
        assert 0.6 * worth < (~untouched(made)).sum() <= worth + 1
        points = made.cloud.points.astype(float)
        near = cKDTree(points).query(points[made.cloud.labels], 2)[0][:, 1]
        assert np.percentile(near, 2) > 0.7 * surface.spacing  # none in clumps
        assert np.percentile(near, 98) < 1.3 * surface.spacing  # nor far apart
    moved = draw_on_cloud(sample, [spec("bulge")], 2, surface)
    near = cKDTree(moved.cloud.points).query(moved.cloud.points, 2)[0][:, 1]
    assert np.median(near) == pytest.approx(surface.spacing, rel=0.2)


def test_the_volume_of_dents_and_bulges_is_that_of_their_profile():
    # Measured on what comes out: triangles of the flat face before and after, not the profile that made them.
    sample = slab_cloud(thickness=0.02, step=0.0008)
    for kind, seed in (("dent", 1), ("bulge", 2), ("dent", 3)):
        made = DualSynthesizer(spec(kind, amp_mm=(1, 2))).draw(sample, seed)
        own = np.flatnonzero(untouched(made))
        source = made.provenance.masks.source[own]
        sides = sample.cloud.normals[source, 2]
        side = sides[made.cloud.labels[own]][0]
        before = sample.cloud.points[source[sides == side]].astype(float)
        height = side * (made.cloud.points[own[sides == side], 2] - before[:, 2])
        triangles = Delaunay(before[:, :2]).simplices
        a, b, c = (before[triangles[:, k], :2] for k in range(3))
        area = 0.5 * np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
        measured = 1e9 * (area * height[triangles].mean(1)).sum()
        assert measured == pytest.approx(made.provenance.instances[0].parameters["volume_mm3"], rel=0.05)


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
    assert set(np.unique(made.provenance.masks.number)) == {0, 1, 2}


def test_a_partial_view_keeps_what_one_side_shows_and_its_labels():
    sample, surface = ball()
    whole = draw_on_cloud(sample, [spec("bulge")], 4, surface)
    shown = DualSynthesizer(spec("bulge"), partial=True).draw(sample, 4)
    dual = shown.provenance.masks
    view = np.array(shown.provenance.instances[0].parameters["view"])
    # On a ball it is known what is seen: the half that faces the scanner, less what grazes.
    facing = shown.cloud.points @ view / np.linalg.norm(shown.cloud.points, axis=1)
    assert facing.min() > 0
    assert 0.4 < len(shown.cloud.points) / len(whole.cloud.points) < 0.5
    at = {tuple(point): k for k, point in enumerate(whole.cloud.points.tolist())}
    kept = np.array([at[tuple(point)] for point in shown.cloud.points.tolist()])
    assert np.array_equal(shown.cloud.labels, whole.cloud.labels[kept])
    assert np.array_equal(dual.number, whole.provenance.masks.number[kept])
    assert shown.cloud.labels.sum() >= 0.5 * whole.cloud.labels.sum()
    assert shown.provenance.instances[0].parameters["points"] == shown.cloud.labels.sum()
    again = DualSynthesizer(spec("bulge"), partial=True).draw(sample, 4)
    assert np.array_equal(again.cloud.points, shown.cloud.points)


def test_a_recipe_asks_for_partial_views(tmp_path):
    sizes = {}
    for partial in (False, True):
        config = DualConfig(types=("dent",), defects={"dent": {"radius_mm": (8, 12)}}, partial_view=partial)
        generator = DualGenerator(config, tmp_path, seed=0)
        generator.fit([], [ball()[0]])
        made = generator.draw([Request("ball", "dent", 0)])[0]
        sizes[partial] = len(made.cloud.points)
        assert made.mask.any()
    assert sizes[True] < 0.5 * sizes[False]


def test_a_partial_view_hides_what_lies_behind():
    # Two sheets that both face the scanner, the lower one half covered.
    line = np.arange(0, 0.1, 0.001)
    low = np.stack([*(a.ravel() for a in np.meshgrid(line, line)), np.zeros(line.size**2)], 1)
    points = np.concatenate([low, low[low[:, 0] < 0.05] + [0, 0, 0.02]])
    seen = visible(points, np.broadcast_to([0.0, 0, 1], points.shape), np.array([0.0, 0, 1]), 0.001)
    covered = (points[:, 2] == 0) & (points[:, 0] < 0.048)
    assert not seen[covered].any()
    assert seen[(points[:, 2] > 0) | (points[:, 0] > 0.052)].all()


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
    with pytest.raises(GeneratorError, match="a stain shows in colours alone"):
        DualSynthesizer("stain").draw(ball_cloud(300), seed=0)


@pytest.mark.parametrize("kind", ["bulge", "dent", "deposit", "scratch"])
def test_a_cloud_has_as_many_defects_as_are_asked_for(kind):
    small = {"radius_mm": (3, 5), "length_mm": (8, 12), "width_mm": (2, 3), "scale": "none"}
    made = DualSynthesizer(DefectSpec.of(kind, count=(3, 3), **small)).draw(ball()[0], 1)
    instances = made.provenance.masks.number
    assert set(instances[instances > 0]) == {1, 2, 3}
    assert len(made.provenance.instances) == 3
    assert np.array_equal(instances > 0, made.cloud.labels)


def test_cuts_and_bends_of_a_cloud_come_first_and_only_once():
    made = DualSynthesizer([spec("dent"), DefectSpec.of("bend")]).draw(ball()[0], 3)
    assert [one.type for one in made.provenance.instances] == ["bend", "dent"]
    with pytest.raises(GeneratorError, match="a cloud takes one of chip, cut, bend"):
        DualSynthesizer(DefectSpec.of("bend", count=(2, 2))).draw(ball()[0], 3)


@pytest.mark.parametrize("kind", ["dent", "pits", "hole"])
def test_no_defect_comes_out_of_the_other_side_of_a_thin_wall(kind):
    sample = slab_cloud(thickness=0.003)
    surface = prepare_surface("slab", sample.cloud)
    deep = DefectSpec.of(kind, amp_mm=(5.0, 6.0), radius_mm=(8.0, 9.0), scale="none")
    with pytest.raises(GeneratorError, match=f"slab: no {kind} in 20 attempts"):
        draw_on_cloud(sample, [deep], 1, surface)
    shallow = DefectSpec.of(kind, amp_mm=(1.5, 2.0), radius_mm=(8.0, 9.0), scale="none")
    made = draw_on_cloud(sample, [shallow], 1, surface)
    assert -1e-4 < made.cloud.points[:, 2].min()
    assert made.cloud.points[:, 2].max() < 0.0031


def test_micrometres_written_for_millimetres_are_refused_at_once():
    spec = DefectSpec.of("dent", amp_mm=(300.0, 500.0), scale="none")
    with pytest.raises(
        GeneratorError, match=r"a height of \d+ mm is too much for a part of .*; are amp_mm in millimetres\?"
    ):
        draw_on_cloud(ball_cloud(), [spec], 1)
