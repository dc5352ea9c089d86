"""Points that are none, stray points, even thinning and far places: what a cloud is before anything is drawn on it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from synth.dual import DefectSpec
from synth.dual.surface import prepare_surface
from synth.dual.unorganised import draw_on_cloud
from synth.io.extent import extent
from synth.io.points import CloudOptions, read_cloud
from synth.io.spread import thinned
from synth.sample import Sample
from tests.synth.dual.scans import ball_cloud

BALL = 1000.0 * ball_cloud(2000).cloud.points.astype(np.float64)
NONE = {
    "NaN": (np.full((40, 3), np.nan), "not finite", 40),
    "infinite": (np.full((7, 3), -np.inf), "not finite", 7),
    "zeros": (np.zeros((900, 3)), "no return", 900),
    "two zeros": (np.zeros((2, 3)), "no return", 2),
    "a code": (np.full((300, 3), -9999.0), "no return", 300),
    "copies": (BALL[:500], "duplicate", 500),
    "many copies of a few": (np.repeat(BALL[:10], 9, 0), "duplicate", 90),
}


@pytest.mark.parametrize("kind", NONE)
@pytest.mark.parametrize("suffix", ["npy", "xyz"])
def test_points_that_are_none_are_dropped_counted_and_told(tmp_path, kind, suffix):
    added, reason, number = NONE[kind]
    rows = np.insert(BALL, 77, added, axis=0) if kind != "copies" else np.vstack([BALL, added])
    path = tmp_path / f"a.{suffix}"
    np.save(path, rows) if suffix == "npy" else np.savetxt(path, rows, fmt="%.17g")
    reading = read_cloud(path, CloudOptions(unit="mm"))
    assert reading.dropped == {reason: number}
    np.testing.assert_allclose(reading.cloud.points, BALL / 1000, atol=1e-8)
    assert any(f"{number:,} {reason}" in one.text for one in reading.told)


def test_one_point_at_the_origin_is_a_point(tmp_path):
    np.save(tmp_path / "a.npy", np.vstack([BALL, np.zeros(3)]))
    assert len(read_cloud(tmp_path / "a.npy", CloudOptions(unit="mm")).cloud.points) == 2001


@pytest.mark.parametrize("stray", [[[2500.0, 0, 0]], [[400.0, 0, 0], [400.4, 0, 0]], [[0, 900.0, 5], [-800, 0, 900.0]]])
def test_stray_points_do_not_count_for_the_size(tmp_path, stray):
    np.save(tmp_path / "a.npy", np.vstack([BALL[:1000], stray, BALL[1000:]]))
    reading = read_cloud(tmp_path / "a.npy", CloudOptions(unit="mm"))
    clean = extent(BALL)
    assert clean.stray == 0
    assert reading.size.stray == len(stray)
    assert reading.size.diagonal == pytest.approx(clean.diagonal / 1000)
    assert any("stray points" in one.text and one.warning for one in reading.told)
    surface = prepare_surface("a", reading.cloud)
    assert surface.diagonal == pytest.approx(clean.diagonal / 1000, rel=1e-6)


@pytest.mark.parametrize("gap", [60.0, 3000.0])
def test_two_parts_beside_each_other_are_no_stray_points(gap):
    two = np.vstack([BALL, BALL * 0.2 + [gap, 0, 0]])
    assert extent(two).stray == 0
    assert extent(two).low[0] == two[:, 0].min()


def surfaces() -> dict[str, np.ndarray]:
    rows, columns = (line.ravel() for line in np.mgrid[:400, :500])
    rng = np.random.default_rng(0)
    return {
        "raster": np.stack([columns * 0.1, rows * 0.1, 5 * np.sin(columns / 200)], 1),
        "lines": np.stack([columns * 0.02, rows * 0.5, 0.0 * rows], 1),
        "tilted": np.stack([columns * 0.1, rows * 0.07, rows * 0.07], 1),
        "random": np.column_stack([rng.uniform(0, 50, (200_000, 2)), np.zeros(200_000)]),
    }


@pytest.mark.parametrize("name", surfaces())
def test_a_cloud_is_thinned_evenly_whatever_its_order(name):
    points = surfaces()[name]
    kept = thinned(points, 5000)
    assert len(kept) == 5000
    assert (np.diff(kept) > 0).all()
    few = points[kept]
    wanted = np.sqrt(np.ptp(points[:, 0]) * np.hypot(np.ptp(points[:, 1]), np.ptp(points[:, 2])) / 5000)
    apart = cKDTree(few).query(few, 2)[0][:, 1]
    assert np.median(apart) > 0.6 * wanted
    assert cKDTree(few).query(points[::7])[0].max() < 2.2 * wanted  # no stripe is left empty
    np.testing.assert_array_equal(kept, thinned(points, 5000))


def test_every_type_of_defect_finds_a_place_on_a_thinned_raster(tmp_path):
    rows, columns = (line.ravel() for line in np.mgrid[:1000, :1000])
    points = np.stack([columns * 0.1, rows * 0.1, 5 * np.sin(columns / 200)], 1)
    np.save(tmp_path / "a.npy", points)
    cloud = read_cloud(tmp_path / "a.npy", CloudOptions()).cloud
    sample = Sample(id="a", cloud=cloud, product="a")
    surface = prepare_surface("a", cloud)
    for kind in ("dent", "bulge", "pits", "hole", "crack", "scratch", "deposit", "chip"):
        made = draw_on_cloud(sample, [DefectSpec.of(kind)], 1, surface)
        assert made.cloud.labels.any(), kind


@pytest.mark.parametrize("unit", ["m", "mm"])
@pytest.mark.parametrize("offset", [(4.0e5, 5.0e6, 300.0), (-7.1e5, 2.2e6, -40.0), (4500.0, -800.0, 1200.0)])
@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_a_cloud_in_a_far_frame_keeps_its_places(tmp_path, unit, offset, suffix):
    scale = 1.0 if unit == "mm" else 1e-3
    rows = BALL * scale + offset
    path = tmp_path / f"a.{suffix}"
    np.save(path, rows) if suffix == "npy" else np.savetxt(path, rows, fmt="%.17g", delimiter=",")
    reading = read_cloud(path, CloudOptions(unit=unit))
    metres = 1e-3 if unit == "mm" else 1.0
    assert len(np.unique(reading.cloud.points, axis=0)) == len(BALL)
    np.testing.assert_allclose(reading.cloud.placed, rows * metres, rtol=1e-15, atol=1e-6)
    assert any(reading.cloud.origin) == (unit == "m" or max(offset) > 1e5)


def test_coordinates_too_coarse_for_their_cloud_are_told(tmp_path):
    fine = (BALL + np.array([4.0e5, 5.0e3, 300.0])).astype(np.float32)  # millimetres: steps of 0.03
    np.save(tmp_path / "b.npy", fine)
    assert not any("32-bit" in one.text for one in read_cloud(tmp_path / "b.npy", CloudOptions(unit="mm")).told)
    coarse = (BALL + np.array([4.0e7, 5.0e6, 300.0])).astype(np.float32)  # steps of 4 mm
    np.save(tmp_path / "c.npy", coarse)
    told = read_cloud(tmp_path / "c.npy", CloudOptions(unit="mm")).told
    assert any("32-bit coordinates in steps of 4" in one.text and one.warning for one in told)
