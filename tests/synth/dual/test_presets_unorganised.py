"""Formulas of the schemes for clouds, on cases that one can count or that are worked out longhand."""

from functools import cache

import numpy as np
import pytest
from scipy.spatial import cKDTree

from synth.dual.presets import create, scheme
from synth.dual.presets.mpas import irregular, region, surface_path, taper
from synth.dual.presets.mpas_parts import slit
from synth.dual.presets.patches import VIEWS, greedy_patch, normal_patch, unit_ball, view_patch
from synth.dual.presets.stretch import published_stretch, stretch
from synth.dual.presets.unorganised import flat_direction, nearest
from synth.dual.surface import prepare_surface
from synth.errors import GeneratorError
from tests.synth.dual.scans import egg_cloud, slab_cloud


@cache
def egg():
    return prepare_surface("egg", egg_cloud().cloud)


@cache
def slab():
    return prepare_surface("slab", slab_cloud().cloud)


def lengths(offset):
    return np.linalg.norm(offset, axis=1)


def test_nearest_is_sorted_and_equal_ones_come_by_index():
    distance = np.array([3.0, 1, 2, 1, 9, 2])
    assert nearest(distance, 4).tolist() == [1, 3, 2, 5]
    assert nearest(distance, 3).tolist() == [1, 3, 2]
    assert nearest(distance, 99).tolist() == [1, 3, 2, 5, 0, 4]


def test_the_flat_direction_of_a_plane_is_its_normal():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5, 40, 3)) * (1, 1, 1e-3)
    assert np.abs(flat_direction(points)[:, 2]) == pytest.approx([1] * 5, abs=1e-3)


def test_a_stretch_is_a_cone_along_the_normal_of_its_tip():
    points, normals = egg().points, egg().normals
    for seed in range(20):
        offset = stretch(points, normals, 0.004, np.random.default_rng(seed))
        height = lengths(offset)
        tip = int(height.argmax())
        assert height[tip] == pytest.approx(0.004)
        assert 40 <= (height > 0).sum() <= 80
        along = offset[height > 0] @ normals[tip] / height[height > 0]
        assert np.abs(along) == pytest.approx(np.ones(len(along)))
        assert len(np.unique(np.sign(along))) == 1
        # A cone: height falls linearly with a distance that axes stretch by 0.8 to 1.2.
        away = np.linalg.norm(points - points[tip], axis=1)
        inside = (height > 0) & (away > 0)
        slope = (0.004 - height[inside]) / away[inside]
        assert slope.max() / slope.min() < 1.2 / 0.8 + 1e-6


def test_a_stretch_leaves_the_far_side_of_a_thin_wall_alone():
    normals = slab().normals
    for seed in range(10):
        offset = stretch(slab().points, normals, 0.001, np.random.default_rng(seed))
        assert len(set(normals[lengths(offset) > 0, 2])) == 1


def test_the_published_stretch_rises_by_rank_and_squared_spacing():
    line = np.arange(0, 0.04, 0.001)
    grid = np.stack([*(a.ravel() for a in np.meshgrid(line, line)), np.zeros(1600)], 1)
    up = np.broadcast_to([0.0, 0, 1], grid.shape)
    offset = published_stretch(grid, up, np.random.default_rng(5))
    height = np.sort(np.abs(offset[offset[:, 2] != 0, 2]))
    assert 16 <= len(height) <= 32
    assert height == pytest.approx(100 * 1e-6 * np.arange(1, len(height) + 1))
    metres_to_mm = published_stretch(grid * 1000, up, np.random.default_rng(5))
    assert np.abs(metres_to_mm).max() == pytest.approx(1e6 * height.max())


def test_a_view_patch_lies_before_one_of_26_viewpoints():
    assert VIEWS.shape == (26, 3)
    points = egg().points
    unit, radius = unit_ball(points)
    places = set()
    for seed in range(20):
        offset = view_patch(points, np.random.default_rng(seed))
        height = lengths(offset)
        moved = np.flatnonzero(height > 0)
        assert len(moved) == 4000 // 16
        assert height.max() <= 0.05 * radius
        # Every offset points at the viewpoint or away from it: the place where all those lines meet.
        ways = offset[moved] / height[moved, None]
        across = np.eye(3) - ways[:, :, None] * ways[:, None]
        view = np.linalg.solve(across.sum(0), np.einsum("nij,nj->i", across, unit[moved]))
        assert np.linalg.norm(view) == pytest.approx(2 * np.sqrt(round((np.linalg.norm(view) / 2) ** 2)), rel=1e-6)
        assert len(np.unique(np.sign(((unit[moved] - view) * ways).sum(1)))) == 1
        away = np.linalg.norm(unit - view, axis=1)
        assert set(moved) == set(np.argsort(away, kind="stable")[: len(moved)])
        assert (np.diff(height[moved][np.argsort(away[moved])]) <= 0).all()
        places.add(int(away.argmin()))
    assert len(places) > 12


def test_greedy_patches_do_not_overlap_and_are_a_64th():
    points = egg().points
    for seed in range(10):
        patch, apart = greedy_patch(points, np.random.default_rng(seed))
        assert len(set(patch.tolist())) == len(patch) == 62
        assert apart[0] == 0
        assert (np.diff(apart) >= 0).all()
        assert np.linalg.norm(points[patch] - points[patch[0]], axis=1) == pytest.approx(apart)


def test_a_normal_patch_moves_along_normals_most_in_the_middle():
    points, normals = egg().points, egg().normals
    _, radius = unit_ball(points)
    signs = set()
    for seed in range(20):
        offset = normal_patch(points, normals, np.random.default_rng(seed))
        height = (offset * normals).sum(1)
        assert np.abs(height[:, None] * normals - offset).max() < 1e-12
        assert 0.06 * radius <= np.abs(height).max() <= 0.12 * radius
        assert (height != 0).sum() == 61  # the outermost of 62 stays
        signs.add(np.sign(height[np.abs(height).argmax()]))
    assert signs == {1.0, -1.0}


def test_a_taper_is_a_cosine():
    assert taper(np.array([0.0, 1, 2])) == pytest.approx([1, 0.5, 0])


def test_a_sphere_moves_its_ball_along_one_outward_direction():
    points, diagonal = egg().points, egg().diagonal
    for sign, way in (("convex", 1), ("concave", -1)):
        offset = scheme("mpas_sphere", sign=sign).change(egg(), np.random.default_rng(2)).offset
        height = lengths(offset)
        moved = height > 0
        direction = offset[height.argmax()] / height.max()
        assert np.abs(offset[moved] / height[moved, None] - direction).max() < 1e-9
        assert way * direction @ egg().normals[moved].mean(0) > 0.9
        ball = points[np.linalg.norm(points - points[height.argmax()], axis=1) < 0.05 * diagonal]
        assert 0.9 * 0.02 * diagonal < height.max() <= 0.02 * diagonal
        assert len(ball) > moved.sum() > 5


def test_a_scratch_follows_a_path_on_the_surface():
    for seed in range(10):
        path = surface_path(egg(), np.random.default_rng(seed))
        steps = np.linalg.norm(np.diff(egg().points[path], axis=0), axis=1)
        assert steps.max() < 4 * egg().spacing
        offset = scheme("mpas_scratch", sign="concave", width=0.03).change(egg(), np.random.default_rng(seed)).offset
        height, width = lengths(offset), 0.03 * egg().diagonal
        away = cKDTree(egg().points[path]).query(egg().points)[0]
        assert set(np.flatnonzero(height)) <= set(np.flatnonzero(away <= width))
        assert height[path] == pytest.approx(np.full(len(path), 0.005 * egg().diagonal))
        assert ((offset * egg().normals).sum(1)[height > 0] < 0).all()


def test_a_crack_takes_what_the_inequalities_say():
    points, diagonal = egg().points, egg().diagonal
    first, second = points[100], points[7]
    gone = slit(egg(), first, second, 0.02)
    middle, centre = (first + second) / 2, points.mean(0)
    near = points[np.argsort(np.linalg.norm(points - middle, axis=1))[:50]]
    normal = np.linalg.svd(near - near.mean(0))[2][2]
    across = np.cross(second - first, normal)
    across /= np.linalg.norm(across)
    for k in range(0, 4000, 7):
        p = points[k]
        cosine = (p - centre) @ (middle - centre) / np.linalg.norm(p - centre) / np.linalg.norm(middle - centre)
        inside = abs((p - middle) @ across) < 0.02 * diagonal
        assert bool(gone[k]) == bool(inside and cosine > 0.15 and np.linalg.norm(p - middle) < 0.6 * diagonal)
    with pytest.raises(GeneratorError, match="no direction"):
        slit(egg(), first, first, 0.01)


def test_the_survivors_of_a_crack_are_labelled_five_to_each_point_that_went():
    made = create("mpas_crack").draw(egg_cloud(), 4)
    kept = made.provenance.masks.source
    points = egg_cloud().cloud.points
    gone = np.setdiff1d(np.arange(len(points)), kept)
    assert np.array_equal(made.cloud.points, points[kept])
    assert len(gone) == made.provenance.instances[0].parameters["removed"]
    wanted = set()
    for k in gone:
        wanted |= set(np.argsort(np.linalg.norm(points[kept] - points[k], axis=1))[:5].tolist())
    # Of points equally far either may count.
    assert len(wanted ^ set(np.flatnonzero(made.cloud.labels).tolist())) <= 0.02 * len(wanted)


def test_a_bend_curves_where_it_is_labelled_and_is_rigid_beyond():
    made = scheme("mpas_bend", label="hinge").change(egg(), np.random.default_rng(1))
    points = egg().points
    moved = lengths(made.offset) > 1e-6
    side = np.sign(points[made.labels, 0].mean())
    along = side * points[:, 0]
    assert not moved[along < -1e-4].any()
    assert moved[along > 2e-3].all()
    reach = along[made.labels].max()
    beyond = np.flatnonzero(along > reach + 1e-4)
    after = points[beyond] + made.offset[beyond]
    turn = np.linalg.lstsq(points[beyond] - points[beyond].mean(0), after - after.mean(0), rcond=None)[0]
    assert turn.T @ turn == pytest.approx(np.eye(3), abs=1e-6)
    assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(25, abs=0.01)
    everything = scheme("mpas_bend").change(egg(), np.random.default_rng(1))
    assert everything.labels is None
    # No tear: neighbours stay neighbours.
    near = egg().tree.query(points, 2)[1][:, 1]
    stretch_of = lengths((points + made.offset)[near] - (points + made.offset)) / lengths(points[near] - points)
    assert 0.5 < stretch_of.min() < stretch_of.max() < 1.6


def test_a_free_region_is_a_patchwork_within_its_places():
    rng = np.random.default_rng(3)
    places = rng.uniform(-1, 1, (400, 2))
    shares = [irregular(places, np.random.default_rng(seed)).mean() for seed in range(30)]
    assert 0.3 < min(shares) < max(shares) <= 1
    assert len(set(shares)) > 20


def test_a_region_grows_where_points_are_few_and_stays_on_its_side():
    assert len(region(egg(), 5, 1e-6)) == 24
    members = region(slab(), 40, 0.01)
    assert len(set(slab().normals[members, 2])) == 1
