"""Faults that were measured in released generators of 3D anomalies, one regression test each: for the schemes built
after them, and for the synthesizer's own defects where the fault could come up there, too."""

from functools import cache

import numpy as np
import pytest

from synth.dual import DefectSpec, DualSynthesizer
from synth.dual.presets import ORGANISED, UNORGANISED, create, scheme
from synth.dual.presets.organised import View
from synth.dual.presets.patches import normal_patch
from synth.dual.presets.regions import turned_noise
from synth.dual.surface import prepare_surface
from synth.sample import Sample
from tests.synth.dual.scans import ball_cloud, egg_cloud, plate, scaled

SEEN = 1.3e-6
"""Share of the diagonal from which a point has moved for sure: a little above what is labelled."""


@cache
def egg(normals=True, factor=1.0):
    sample = egg_cloud()
    points = sample.cloud.points
    cloud = type(sample.cloud)(points, sample.cloud.normals if normals else None)
    return scaled(Sample(id="egg", cloud=cloud, product="egg"), factor)


@cache
def diagonal(factor=1.0):
    return float(np.linalg.norm(np.ptp(egg(factor=factor).cloud.points, axis=0)))


def own(kind, **changes):
    """A defect of the synthesizer itself, round and smooth."""
    shape = {"aspect": (1, 1), "ragged": 0, "skew": 0, "profile": ("cosine",), "radius_mm": (6, 9), "amp_mm": (1, 2)}
    return DualSynthesizer(DefectSpec.of(kind, **{**shape, **changes}))


DRAWERS = {
    "own bulge": lambda: own("bulge"),
    "mpas_sphere": lambda: create("mpas_sphere", sign="convex"),
    "mpas_scratch": lambda: create("mpas_scratch"),
    "mpas_freedom": lambda: create("mpas_freedom"),
    "po3ad": lambda: create("po3ad"),
    "glfm": lambda: create("glfm"),
    "r3d_ad": lambda: create("r3d_ad"),
}


def outward(made, start, surface_normals):
    """How far original points came out along the normals of the good cloud; (n,), and the points' indices."""
    source = made.provenance.masks.source
    falls = np.flatnonzero(np.diff(source) <= 0)
    count = falls[0] + 1 if len(falls) else len(source)
    source = source[:count]
    step = made.cloud.points[:count].astype(float) - start.cloud.points[source]
    return (step * surface_normals[source]).sum(1), step, source


@pytest.mark.parametrize("factor", [1.0, 10.0, 1e-3])
@pytest.mark.parametrize("name", DRAWERS)
def test_labels_find_all_points_that_moved_whatever_the_unit(name, factor):
    # MPAS looked labels up by position before the move, to an absolute 1e-4: recall 0.14 in m, 0.01 in unit scale, 0.00
    # in mm.
    start = egg(factor=factor)
    drawer = DRAWERS[name]()
    labelled = right = 0
    for seed in range(5):
        made = drawer.draw(start, seed)
        _, step, source = outward(made, start, start.cloud.normals)
        moved = np.linalg.norm(step, axis=1) > SEEN * diagonal(factor)
        labels = made.cloud.labels[: len(source)]
        assert moved.any()
        assert labels[moved].all()
        labelled += labels.sum()
        right += (moved & labels).sum()
    assert right >= 0.99 * labelled


@pytest.mark.parametrize("name", ["own bulge", "mpas_sphere"])
@pytest.mark.parametrize("normals", [True, False])
def test_convex_comes_out_of_a_closed_body_in_every_run(name, normals):
    # MPAS: in 30 to 70 % of runs, by the arbitrary sign of a PCA normal.
    start, truth = egg(normals), egg().cloud.normals
    drawer = DRAWERS[name]()
    for seed in range(100):
        out, _, _ = outward(drawer.draw(start, seed), start, truth)
        assert out.max() > 0.003 * diagonal()
        assert out.min() > -1e-3 * diagonal()


def test_a_free_region_of_a_twentieth_is_found_on_a_closed_body():
    # MPAS freedom: "too few points" at a ratio of 0.05.
    drawer = create("mpas_freedom", radius=0.05)
    for points in (2000, 8000):
        start = egg_cloud(points)
        for seed in range(20):
            assert drawer.draw(start, seed).cloud.labels.sum() >= 6


def test_a_patch_goes_along_the_normal_and_not_its_absolute_value():
    # PO3AD: cosine between push and normal 0 on average, half the points go the wrong way.
    points, normals = egg().cloud.points.astype(float), egg().cloud.normals.astype(float)
    published = []
    for seed in range(60):
        for compat in (False, True):
            offset = normal_patch(points, normals, np.random.default_rng(seed), compat=compat)
            length = np.linalg.norm(offset, axis=1)
            moved = length > 0
            cosine = (offset * normals)[moved].sum(1) / length[moved]
            if compat:
                published.append(cosine)
            else:
                assert np.abs(cosine - np.sign(cosine[0])).max() < 1e-5
    # The published form, kept for those who compare with it, is as faulty as measured.
    cosines = np.concatenate(published)
    assert abs(cosines.mean()) < 0.15
    assert (np.abs(cosines) < 0.5).mean() > 0.15


@pytest.mark.parametrize("name", ["own bulge", "mpas_sphere", "glfm", "po3ad", "mpas_freedom"])
def test_a_bump_never_vanishes_for_want_of_an_outward_normal(name):
    # AF3AD preset 0: its gate zeroes bumps where the PCA normal points inwards; median 2e-6 mm for 1 mm.
    start = egg(normals=False)
    drawer = DRAWERS[name]()
    for seed in range(30):
        _, step, _ = outward(drawer.draw(start, seed), start, egg().cloud.normals)
        assert np.linalg.norm(step, axis=1).max() > 0.003 * diagonal()


def test_a_wave_has_hills_and_hollows():
    # AF3AD: its "ripple" is a single bump.
    surface = prepare_surface("egg", egg().cloud)
    wave = scheme("mpas_freedom", form="wave")
    lesser = []
    for seed in range(30):
        offset = wave.change(surface, np.random.default_rng(seed)).offset
        height = offset @ offset[np.linalg.norm(offset, axis=1).argmax()]
        lesser.append(-height.min() / height.max())
    assert min(lesser) > 0.02
    assert np.median(lesser) > 0.2


@pytest.mark.parametrize("name", UNORGANISED)
def test_every_draw_is_labelled(name):
    # AF3AD returns no label.
    made = create(name).draw(egg(), 1)
    assert made.cloud.labels.dtype == bool
    assert 0 < made.cloud.labels.mean() < 0.6
    assert made.defect == name


@pytest.mark.parametrize("name", ["own bulge", "glfm", "mpas_sphere"])
def test_heights_do_not_depend_on_unit_or_density(name):
    # GLFM: mean squared spacing taken for a length; a thousandfold peak in millimetres.
    peaks = []
    for points, factor in ((3000, 1.0), (3000, 100.0), (12000, 1.0)):
        start = scaled(ball_cloud(points), factor)
        drawer = own("bulge", amp_mm=(1.5, 1.5)) if name == "own bulge" else DRAWERS[name]()
        made = drawer.draw(start, 5)
        source = made.provenance.masks.source
        peaks.append(np.linalg.norm(made.cloud.points - start.cloud.points[source], axis=1).max() / factor)
    assert peaks[1] == pytest.approx(peaks[0], rel=1e-3)
    assert peaks[2] == pytest.approx(peaks[0], rel=0.5)


@pytest.mark.parametrize("name", ORGANISED)
def test_no_mask_is_empty(name):
    # DRAEM, EasyNet and 3DSR: 1 to 55 % of masks are.
    start = plate(61, 83)
    drawer = create(name)
    for seed in range(150):
        assert drawer.draw(start, seed).mask.sum() >= 12


@pytest.mark.parametrize("name", ["own bulge", "own dent", "own pits"])
def test_no_mask_of_the_synthesizer_is_empty(name):
    drawer = DualSynthesizer(DefectSpec.of(name.split()[1], scale="none", radius_mm=(5, 9), length_mm=(10, 20)))
    for seed in range(30):
        assert drawer.draw(plate(61, 83), seed).mask.sum() >= 12


def test_noise_in_the_depth_rides_on_the_surface():
    # EasyNet: depth replaced by bare noise, with no relation to what was there.
    depth = np.broadcast_to(0.5 + 1e-3 * np.arange(128, dtype=np.float32), (96, 128))
    seen = View(np.full((96, 128, 3), 0.5, np.float32), depth, np.ones(depth.shape, bool))
    kept, replaced = [], []
    for seed in range(12):
        for compat, found in ((False, kept), (True, replaced)):
            made = scheme("easynet", compat=compat).alter(seen, np.random.default_rng(seed))
            before, after = depth[made.region], made.depth[made.region]
            found.append(float(np.abs(after - before).max()))
    span = np.ptp(depth) / 0.8
    assert max(kept) <= 0.1 * span * 1.05
    assert np.median(replaced) > 0.3 * span


@pytest.mark.parametrize("shape", [(401, 799), (37, 53), (64, 64), (31, 1)])
def test_noise_has_any_size_whatever_its_cells(shape):
    # The usual Perlin code wants sides that its cells divide.
    for seed in range(8):
        noise = turned_noise(shape, np.random.default_rng(seed))
        assert noise.shape == shape
        assert np.isfinite(noise).all()
        assert np.abs(noise).max() <= 1.01


@pytest.mark.parametrize("name", ORGANISED)
def test_schemes_take_frames_of_odd_size(name):
    assert create(name).draw(plate(101, 57), 3).mask.shape == (101, 57)
