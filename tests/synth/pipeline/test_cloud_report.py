"""What inspect says of clouds: measures by file and in sum, and nothing that is asked of images."""

from __future__ import annotations

import json

import numpy as np
import pytest
import trimesh

from synth.io.ply import ply_bytes
from synth.pipeline.inspect import inspect
from synth.sample import Cloud
from tests.synth.dual.scans import ball_cloud


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    sheet = trimesh.creation.box((80, 50, 3))
    sheet.export(root / "sheet.stl")
    points, faces = trimesh.sample.sample_surface_even(sheet, 8000, seed=0)
    noisy = points + np.random.default_rng(0).normal(0, 0.1, points.shape)
    rows = np.vstack([noisy, noisy[:7], np.zeros((40, 3)), [[900.0, 0, 0]]]).astype(np.float32)
    normals = -np.vstack([sheet.face_normals[faces], np.ones((48, 3))]).astype(np.float32)
    colors = np.full((len(rows), 3), 90, np.uint8)
    (root / "scan.ply").write_bytes(ply_bytes(Cloud(rows, normals, colors)))
    return inspect(root)


def test_each_file_is_measured(report):
    scan, mesh = report.clouds
    assert (scan.unit, mesh.unit) == ("mm", "mm")
    assert (scan.mesh, mesh.mesh) == (False, True)
    np.testing.assert_allclose(mesh.extent_mm, (80, 50, 3), rtol=0.02)
    np.testing.assert_allclose(scan.extent_mm, (80, 50, 3), rtol=0.3)
    assert scan.dropped == {"no return": 40, "duplicate": 7}
    assert scan.stray == 1
    assert scan.found == 8000 + 48
    assert 0.5 < scan.spacing_mm < 1.2
    assert scan.noise_mm == pytest.approx(0.1, rel=0.5)
    assert mesh.noise_mm < 0.02
    assert scan.wall_mm == pytest.approx(3, rel=0.15)
    assert mesh.wall_mm == pytest.approx(3, rel=0.05)
    assert (scan.colours, mesh.colours) == (True, False)
    assert scan.normals == "the file's, turned"


def test_the_sum_and_what_was_inferred_are_told_and_images_are_not_asked_for(report):
    text = str(report)
    assert "1 cloud and 1 mesh in mm" in text
    assert "points dropped: 7 duplicate, 40 no return" in text
    assert "has normals that point the other way" in text
    assert "stray points" in text
    for word in ("mask", "height x width", "grey", "px"):
        assert word not in text
    assert json.loads(json.dumps(report.to_json()))["clouds"][0]["unit"] == "mm"


def test_a_defect_without_labels_is_told_as_points(tmp_path):
    from tests.synth.sources.test_cloud_trees import POINTS, real3d_tree

    root = real3d_tree(tmp_path)
    np.savetxt(root / "car" / "gt" / "112_bulge.txt", np.column_stack([1000 * POINTS, 0 * POINTS[:, 0]]))
    assert "labels none of its points" in str(inspect(root))


def test_a_ball_has_no_thin_wall(tmp_path):
    (tmp_path / "a.ply").write_bytes(ply_bytes(ball_cloud(3000).cloud))
    (measured,) = inspect(tmp_path).clouds
    assert measured.wall_mm is None or measured.wall_mm > 20
