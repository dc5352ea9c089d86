"""Drawing on scans of every frame: which way dents and bulges go, what stays, what lies on a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synth.dual import DefectSpec, DualSynthesizer
from synth.dual.config import DualConfig
from synth.dual.generator import DualGenerator
from synth.dual.scene import prepare
from synth.dual.sensor import projector_shadow
from synth.errors import SampleError
from synth.generators import Request
from synth.io.camera import fit_raster
from synth.pipeline.inspect import inspect
from synth.sources import read
from tests.synth.dual.frames import FRAMES, SHAPE, dome, moved, sample_of, scan_tree

TELECENTRIC = {
    "heights": lambda xyz: xyz,
    "depths": lambda xyz: np.where(xyz.any(-1, keepdims=True), xyz * [1, 1, -1] + [0, 0, 2.0], 0),
}


def good_of(tmp_path, frame):
    if frame in TELECENTRIC:
        image, xyz = dome(orthographic=True)
        pair = image, TELECENTRIC[frame](xyz)
    else:
        pair = FRAMES[frame](dome())
    (sample,) = read(scan_tree(tmp_path, [pair]))
    return sample


@pytest.mark.parametrize("kind", ["dent", "bulge"])
@pytest.mark.parametrize("frame", [*FRAMES, *TELECENTRIC])
def test_dents_go_away_from_the_sensor_and_bulges_towards_it_in_every_frame(tmp_path, frame, kind):
    good = good_of(tmp_path, frame)
    synthesizer = DualSynthesizer(DefectSpec.of(kind, scale="none", radius_mm=(6, 9), amp_mm=(2, 3)), baseline=0.0)
    for seed in range(8):
        made = synthesizer.draw(good, seed)
        both = made.provenance.masks.core & (made.xyz[..., 2] > 0) & (good.xyz[..., 2] > 0)
        further = np.median((made.xyz - good.xyz)[..., 2][both])
        assert further * (1 if kind == "dent" else -1) > 1e-3


@pytest.mark.parametrize("frame", TELECENTRIC)
@pytest.mark.parametrize("kind", ["dent", "scratch", "hole", "through_hole", "chip", "bend", "deposit"])
def test_parallel_rays_keep_their_grid_and_all_else_bit_for_bit(tmp_path, frame, kind):
    good = good_of(tmp_path, frame)
    sized = {"radius_mm": (6, 9)} if kind in ("dent", "deposit", "hole", "through_hole", "chip") else {}
    made = DualSynthesizer(DefectSpec.of(kind, scale="none", **sized)).draw(good, seed=3)
    same = (made.xyz == good.xyz).all(-1)
    assert not same.all()
    raster, _ = fit_raster(good.xyz, good.xyz[..., 2] > 0)
    rows, columns = np.nonzero(made.xyz[..., 2] > 0)
    np.testing.assert_allclose(made.xyz[rows, columns, :2], raster.at(rows, columns), atol=2e-6)
    near = np.abs(made.xyz[..., 2] - good.xyz[..., 2])[(made.xyz[..., 2] > 0) & (good.xyz[..., 2] > 0)]
    assert near.max() < 0.05


def test_a_shadow_falls_to_the_same_side_of_a_mirrored_image():
    rng = np.random.default_rng(0)
    xyz = dome()[1] + rng.normal(0, 1e-3, (*SHAPE, 3))
    for baseline in (0.1, -0.1):
        straight = projector_shadow(xyz, baseline)
        assert straight.any()
        np.testing.assert_array_equal(projector_shadow(xyz * [-1, 1, 1], baseline, -1.0), straight)


@pytest.mark.parametrize("name", ["turned by 180", "mirrored in x", "mirrored in y", "y up"])
def test_a_sample_with_signed_focal_lengths_is_drawn_on_as_it_is(name):
    sample = sample_of(FRAMES[name](dome()))
    made = DualSynthesizer(DefectSpec.of("dent", scale="none", radius_mm=(6, 9), amp_mm=(2, 3))).draw(sample, seed=1)
    assert made.mask.any()
    with pytest.raises(SampleError, match="not in the camera's frame"):
        prepare(sample_of(moved(np.eye(3)[[1, 0, 2]])(dome())))


@pytest.mark.parametrize("pad", [0, 8])
def test_a_scan_whose_table_was_removed_is_all_part(pad):
    image, xyz = dome(table=False)
    image, xyz = (np.pad(a, ((pad, pad), (pad, pad), (0, 0))) for a in (image, xyz))
    sample = sample_of((image, xyz))
    scene = prepare(sample)
    assert scene.plane is None
    assert (scene.foreground == (xyz[..., 2] > 0)).all()


def test_the_top_of_a_part_is_no_table_where_the_border_is_empty_and_the_recipe_has_the_last_word():
    rows, columns = np.indices(SHAPE)
    on = (abs(rows - 30) < 18) & (abs(columns - 42) < 26)
    top = (abs(rows - 30) < 6) & (abs(columns - 42) < 9)
    depth = np.where(top, 0.36, 0.38) * on
    xyz = np.stack([(columns - 42) / 140 * depth, (rows - 30) / 140 * depth, depth], -1)
    sample = sample_of((np.full((*SHAPE, 3), 90, np.uint8), xyz))
    assert prepare(sample).foreground.sum() == on.sum()
    plane = prepare(replace(sample, meta={"background": "plane"}))
    assert plane.plane is not None
    assert plane.foreground.sum() < 0.3 * on.sum()
    whole = sample_of(dome())
    assert prepare(whole).plane is not None
    assert prepare(replace(whole, meta={"background": "none"})).plane is None


def test_background_and_camera_reach_the_samples_that_a_recipe_reads(tmp_path):
    root = scan_tree(tmp_path, [dome()])
    (sample,) = read(root, layout="mvtec_3d", background="none")
    assert sample.meta["background"] == "none"
    assert prepare(sample).plane is None


def request(seed=0):
    return Request("dome", "dent", seed)


def test_why_nothing_can_be_drawn_on_a_scan_is_in_the_record():
    large = DualConfig(types=("dent",), defects={"dent": {"radius_mm": [400, 500], "scale": "none"}})
    bare = sample_of(dome())
    broken = replace(bare, xyz=np.roll(bare.xyz, 25, 0))
    for sample, config, words in (
        (bare, large, "found no place for a defect of"),
        (broken, DualConfig(types=("dent",)), "does not lie on the rays of one camera"),
    ):
        generator = DualGenerator(config, Path(), 0)
        generator.fit([], [sample])
        (drawn,) = generator.draw([request()])
        assert not drawn.mask.any()
        assert words in drawn.provenance.failure


def test_inspect_tells_what_each_scan_is_like_and_asks_for_no_shots(tmp_path):
    pairs = [dome(seed=k) for k in range(2)]
    report = inspect(scan_tree(tmp_path, [(image, np.where(xyz == 0, np.nan, 1000 * xyz)) for image, xyz in pairs]))
    assert report.usable
    assert len(report.scans) == 2
    scan = report.to_json()["scans"][0]
    assert (scan["unit"], scan["view"], scan["table"]) == ("mm", "pinhole", True)
    assert scan["camera"]["fx"] == pytest.approx(140, rel=1e-3)
    assert scan["extent_mm"][0] == pytest.approx(95, abs=12)
    assert scan["depth_mm"] == pytest.approx((365, 400), abs=5)
    assert scan["dropped"] == {"NaN or infinite coordinates": 12}
    text = str(report)
    assert "2 scans in mm; parts of" in text
    assert "is read in millimetres, as a median depth of" in text
    assert "lies on a plane, taken for a table and no part (decided by source.background)" in text
    assert "shows no defect" not in text
