"""A cloud far from (0, 0, 0) goes through a run into every format in the frame of its source."""

from __future__ import annotations

import numpy as np
import pytest

from synth.io.points import CloudOptions, read_cloud
from synth.pipeline.runs import run
from synth.recipe import Recipe
from tests.synth.dual.scans import ball_cloud

OFFSET = np.array([4.0e5, 5.0e6, 300.0])
BALL = ball_cloud(1200).cloud.points.astype(np.float64)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("far")
    (folder / "source").mkdir()
    np.save(folder / "source" / "a.npy", BALL + OFFSET)
    blocks = {
        "name": "far",
        "source": {"kind": "clouds", "root": str(folder / "source"), "product": "ball"},
        "generator": {"kind": "dual", "types": ["dent"], "draw_batch": 1},
        "request": {"per_defect": 1},
        "checks": {"min_on_product": 0, "min_area": 1},
        "output": {"format": ["ply", "anomaly_shapenet", "real3d_ad"]},
    }
    return run(Recipe.model_validate(blocks), folder / "out").path / "data"


@pytest.mark.parametrize(
    ("pattern", "unit"),
    [
        ("**/good/*.ply", "m"),
        ("**/good/*.npz", "m"),
        ("**/ball_template0.pcd", "m"),
        ("**/0_template.pcd", "mm"),
        ("**/dent/*.ply", "m"),
        ("**/GT/ball_dent0.txt", "m"),
        ("**/gt/0_dent.txt", "mm"),
    ],
)
def test_every_format_keeps_a_hundredth_of_a_millimetre(exported, pattern, unit):
    (file,) = exported.glob(pattern)
    cloud = read_cloud(file, CloudOptions(unit=unit)).cloud
    apart = np.linalg.norm(cloud.placed - OFFSET, axis=1)
    assert np.abs(cloud.placed.mean(0) - OFFSET).max() < 5e-3
    if "dent" not in pattern:
        np.testing.assert_allclose(cloud.placed, BALL + OFFSET, atol=1e-5, rtol=0)
    else:
        assert (np.abs(apart - 0.04) < 1e-5).mean() > 0.8
