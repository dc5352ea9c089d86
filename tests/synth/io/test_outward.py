"""Dents go in and bulges come out: on whole parts, on one-sided scans, whatever normals the file gives."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from synth.dual import DefectSpec
from synth.dual.unorganised import draw_on_cloud
from synth.errors import SourceError
from synth.io.normals import settled
from synth.io.outward import Sensor, oriented
from synth.sample import Cloud, Sample

SIZE = 6000
CAMERA = np.zeros(3)


@cache
def part(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) metres on a closed part, or on what shows of it, and true outward normals."""
    made = {
        "sphere": trimesh.creation.icosphere(4, 0.04),
        "box": trimesh.creation.box((0.08, 0.05, 0.02)),
        "plate": trimesh.creation.box((0.1, 0.06, 0.004)),
        "torus": trimesh.creation.torus(0.04, 0.012),
    }
    mesh = made[name]
    points, faces = trimesh.sample.sample_surface_even(mesh, SIZE, seed=1)
    return np.asarray(points), np.asarray(mesh.face_normals[faces])


def view(name: str, from_: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """What a sensor at a place in the part's frame sees of it, dense."""
    points, normals = part(name)
    towards = np.array(from_) - points
    seen = (normals * towards).sum(1) > 0.15 * np.linalg.norm(towards, axis=1)
    return points[seen], normals[seen]


GIVEN = {
    "missing": lambda n: None,
    "outward": lambda n: n,
    "inward": lambda n: -n,
    "random": lambda n: n * np.random.default_rng(2).choice([-1, 1], len(n))[:, None],
}


def cloud_of(points: np.ndarray, normals: np.ndarray | None) -> Cloud:
    return Cloud(points.astype(np.float32), None if normals is None else normals.astype(np.float32))


def right(cloud: Cloud, truth: np.ndarray) -> float:
    return float(((cloud.normals * truth).sum(1) > 0).mean())


@pytest.mark.parametrize("name", ["sphere", "box", "plate", "torus"])
@pytest.mark.parametrize("given", ["missing", "outward", "inward", "random", "towards a sensor"])
def test_normals_of_a_whole_part_point_outwards(name, given):
    points, truth = part(name)
    if given == "towards a sensor":  # as software writes them for a merged scan
        normals = truth * np.where(((np.array([0.5, 0.2, 0.3]) - points) * truth).sum(1) < 0, -1, 1)[:, None]
    else:
        normals = GIVEN[given](truth)
    found = settled("a", cloud_of(points, normals), Sensor(zero=CAMERA))
    assert right(found.cloud, truth) > 0.99
    assert bool(found.told) == (given != "outward")
    if given == "outward":
        np.testing.assert_array_equal(found.cloud.normals, normals.astype(np.float32))


@pytest.mark.parametrize("name", ["sphere", "box", "plate"])
@pytest.mark.parametrize("given", ["missing", "outward", "inward", "random"])
@pytest.mark.parametrize("where", ["camera", "named", "file"])
def test_normals_of_a_one_sided_scan_face_its_sensor(name, given, where):
    place = np.array([0.1, 0.15, -0.6])
    points, truth = view(name, tuple(place))
    sensor = Sensor(zero=CAMERA)
    if where == "camera":  # the sensor's own frame: it is at (0, 0, 0) and looks along z
        points = points - place
        ahead = -place / np.linalg.norm(place)
        across = np.cross([0.0, 1, 0], ahead)
        axes = np.stack([across / np.linalg.norm(across), np.cross(ahead, across / np.linalg.norm(across)), ahead])
        points, truth = points @ axes.T, truth @ axes.T
    else:
        sensor = Sensor(place, named=where == "named", zero=np.array([9.0, 9.0, 9.0]))
    found = settled("a", cloud_of(points, GIVEN[given](truth)), sensor)
    assert right(found.cloud, truth) > 0.99


def test_a_bowl_that_a_camera_sees_from_within_faces_the_camera():
    points, normals = part("sphere")
    points = points + np.array([0, 0, 0.5])
    towards = -points / np.linalg.norm(points, axis=1)[:, None]
    behind = (normals * towards).sum(1) < -0.2
    found = oriented(points[behind], sensor=Sensor(zero=CAMERA))
    assert found.side == "camera"
    assert ((found.normals * -normals[behind]).sum(1) > 0).mean() > 0.99


@pytest.mark.parametrize("height", [0.0, 0.09])
def test_a_height_map_over_x_and_y_points_up(height):
    x, y = (line.ravel() for line in np.meshgrid(np.arange(-40, 40), np.arange(-30, 30)))
    points = np.stack([x * 1e-3, y * 1e-3, height + 2e-3 * np.sin(x / 12)], 1)
    found = oriented(points, sensor=Sensor(zero=CAMERA))
    assert found.side == "height map"
    assert (found.normals[:, 2] > 0).all()


def test_a_sheet_that_nothing_says_more_of_points_up_with_a_warning():
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-0.05, 0.05, (SIZE, 2)), np.zeros(SIZE)])
    found = settled("a", cloud_of(points, None), Sensor())
    assert (found.cloud.normals[:, 2] > 0).all()
    assert any(one.warning and "up (+z)" in one.text for one in found.told)


@pytest.mark.parametrize("wall", [1.0, 1.5, 3.0])
def test_both_sides_of_a_thin_sheet_point_away_from_it(wall):
    mesh = trimesh.creation.box((0.06, 0.04, 1e-3 * wall))
    points, faces = trimesh.sample.sample_surface_even(mesh, 12_000, seed=0)
    truth = mesh.face_normals[faces]
    assert right(settled("a", cloud_of(points, None), Sensor()).cloud, truth) > 0.95
    kept = settled("a", cloud_of(points, truth), Sensor()).cloud
    assert right(kept, truth) == 1.0


def test_a_recipe_decides_against_the_comparison():
    points, truth = part("box")
    inward = cloud_of(points, -truth)
    assert right(settled("a", inward, Sensor(), "file").cloud, truth) == 0
    assert right(settled("a", inward, Sensor(), "flip").cloud, truth) == 1
    assert right(settled("a", inward, Sensor(), "estimate").cloud, truth) > 0.99
    with pytest.raises(SourceError, match=r"a has no normals to flip; set source\.normals to auto"):
        settled("a", cloud_of(points, None), Sensor(), "flip")


def test_normals_that_are_not_the_surfaces_are_told_and_not_used():
    points, truth = part("box")
    others = np.random.default_rng(0).standard_normal(points.shape)
    across = np.cross(truth, others)
    found = settled("a", cloud_of(points, across / np.linalg.norm(across, axis=1)[:, None]), Sensor())
    assert right(found.cloud, truth) > 0.99
    assert any("not those of its surface" in one.text and one.warning for one in found.told)


@pytest.mark.parametrize("kind", ["dent", "bulge"])
@pytest.mark.parametrize(
    ("name", "given"), [("box", "inward"), ("sphere", "random"), ("plate", "missing"), ("sphere", "camera")]
)
def test_dents_go_in_and_bulges_come_out(kind, name, given):
    points, truth = part(name) if given != "camera" else view(name, (0, 0, -0.6))
    if given == "camera":
        points = points + np.array([0, 0, 0.6])
    found = settled("a", cloud_of(points, GIVEN.get(given, GIVEN["missing"])(truth)), Sensor(zero=CAMERA))
    sample = Sample(id="a", cloud=found.cloud, product="a")
    tree = cKDTree(points)
    for seed in range(4):
        made = draw_on_cloud(sample, [DefectSpec.of(kind, amp_mm=(2.0, 3.0), radius_mm=(5.0, 8.0), scale="none")], seed)
        moved = made.cloud.points[made.cloud.labels]
        nearest = tree.query(moved)[1]
        out = ((moved - points[nearest]) * truth[nearest]).sum(1)
        strongest = out[np.abs(out) > 0.5 * np.abs(out).max()]
        assert (strongest < 0).all() if kind == "dent" else (strongest > 0).all()
