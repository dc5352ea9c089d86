"""Image and organised cloud together: what must hold for every defect, most of it over a thousand seeds."""

import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from synth.dual import TYPES, DefectSpec, DualSynthesizer
from synth.dual.displace import lift, lift_iterated
from synth.dual.light import Light, shading_change, to_bytes, to_linear
from synth.dual.memory import Memory
from synth.dual.scene import prepare
from synth.errors import GeneratorError, SampleError
from synth.io.camera import Camera, fit_camera
from synth.sample import Sample
from tests.synth.dual.scans import DEPTH, FOCAL, plate
from tests.synth.dual.truth import lies

SIZED = {"scale": "none", "min_snr": 3.0}
SMALL = {
    "bulge": {"radius_mm": (4, 9), "amp_mm": (0.5, 2)},
    "dent": {"radius_mm": (4, 9), "amp_mm": (0.5, 2)},
    "pits": {"radius_mm": (2, 3), "length_mm": (10, 20), "number": (2, 5), "amp_mm": (0.5, 1)},
    "hole": {"radius_mm": (5, 9)},
    "through_hole": {"radius_mm": (5, 9)},
    "crack": {"width_mm": (2, 4), "length_mm": (20, 40)},
    "scratch": {"width_mm": (2, 4), "length_mm": (20, 40), "number": (1, 2)},
    "chip": {"radius_mm": (8, 14), "amp_mm": (4, 8)},
    "cut": {"radius_mm": (10, 20), "amp_mm": (8, 16)},
    "bend": {"radius_mm": (6, 10), "angle_deg": (10, 20)},
    "deposit": {"radius_mm": (5, 9)},
    "stain": {"radius_mm": (5, 12)},
    "wear": {"radius_mm": (5, 12)},
}


def spec(kind, **changes):
    return DefectSpec.of(kind, **{"scale": "none", **SMALL[kind], **changes})


@cache
def good(**options):
    return plate(**options)


def off_ray(sample, camera):
    """Largest distance in px between valid pixels and what their points project to."""
    valid = sample.xyz[..., 2] > 0
    rows, columns = np.nonzero(valid)
    seen = camera.project(sample.xyz[valid].astype(float))
    return np.hypot(seen[:, 0] - columns, seen[:, 1] - rows).max()


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_what_every_type_keeps(kind):
    assert kind in SMALL  # a new type needs its sizes here: red, on purpose
    start = good(height=61, width=83)
    synthesizer = DualSynthesizer(spec(kind))
    camera, _ = fit_camera(start.xyz, start.xyz[..., 2] > 0)
    for seed in range(12):
        made = synthesizer.draw(start, seed)
        assert made.mask.any()
        assert lies(start, made) == []
        assert np.isfinite(made.xyz).all()
        assert off_ray(made, camera) <= 0.02
        assert not made.xyz[start.xyz[..., 2] == 0].any()
        lost = made.xyz[..., 2] == 0
        assert not made.xyz[lost].any()
        assert (made.provenance.masks.core <= made.mask).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_bulge_comes_out_and_a_dent_goes_in_for_a_thousand_seeds(sign):
    start = good(height=37, width=53)
    scene = prepare(start)
    synthesizer = DualSynthesizer(
        spec("bulge" if sign > 0 else "dent", profile=("cosine", "gauss", "sphere"), radius_mm=(4, 7))
    )
    for seed in range(1000):
        made = synthesizer.draw_on(scene, start, seed)
        moved = (made.xyz != start.xyz).any(-1) & (made.xyz[..., 2] > 0)
        step = (made.xyz - start.xyz)[moved].astype(float)
        along = (step * scene.normal[moved]).sum(-1)
        assert moved.any()
        assert (sign * along > 0).all()
        assert (sign * step[:, 2] < 0).all()


def test_no_height_is_no_change():
    xyz, camera = good().xyz, Camera(FOCAL, FOCAL, 41.0, 30.0)
    normal = prepare(good()).normal
    flat = np.zeros(xyz.shape[:2], np.float32)
    assert np.array_equal(lift(xyz, flat, normal), xyz)
    moved, height, occluded = lift_iterated(xyz[None], flat[None], normal[None], camera, (0, 0))
    assert np.array_equal(moved[0], xyz)
    assert not height.any()
    assert not occluded.any()
    light = Light((0.0, -0.6, -0.8), 0.4)
    assert (shading_change(normal, normal, light) == 1).all()
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_bytes(to_linear(every)), every)


def test_a_flat_geometric_defect_is_refused_rather_than_labelled():
    with pytest.raises(GeneratorError, match=r"no dent in 20 attempts.*0 px"):
        DualSynthesizer(spec("dent", amp_mm=(0, 0), min_snr=0)).draw(good(), seed=1)


@pytest.mark.parametrize("tilt", [0.0, 0.7])
def test_displacement_meets_the_displaced_plane(tilt):
    # A plane moved by h along its normal is known exactly: n . x = d + h.
    start = good(tilt=tilt, table=False)
    normal = np.broadcast_to(np.float32([-np.sin(tilt), 0, -np.cos(tilt)]), start.xyz.shape)
    for height in (0.002, -0.002):
        moved = lift(start.xyz, np.full(start.xyz.shape[:2], height, np.float32), normal)
        valid = start.xyz[..., 2] > 0
        step = ((moved - start.xyz)[valid] * normal[valid]).sum(-1)
        assert np.abs(step - height).max() < 2e-7


def test_iteration_comes_closer_to_the_true_surface_than_the_first_order():
    tilt, radius, amplitude = 0.7, 0.012, 0.002
    start = good(height=101, width=121, tilt=tilt, table=False)
    normal = np.float32([-np.sin(tilt), 0, -np.cos(tilt)])
    camera, _ = fit_camera(start.xyz, start.xyz[..., 2] > 0)
    centre = start.xyz[50, 60]

    def bump(points):
        away = points - centre
        flat = away - (away @ normal)[..., None] * normal
        return amplitude * np.exp(-2 * (flat**2).sum(-1) / radius**2)

    height = bump(start.xyz).astype(np.float32)
    normals = np.broadcast_to(normal, start.xyz.shape)
    first = lift(start.xyz, height, normals)
    refined, _, occluded = lift_iterated(start.xyz[None], height[None], normals[None], camera, (0, 0))
    fine = (start.xyz[..., 2] > 0) & ~occluded[0] & (height > 1e-5)

    def error(points):
        return np.percentile(np.abs((points - centre)[fine] @ normal - bump(points)[fine]), 95)

    # The rest is the heights' bilinear interpolation between pixels of 2 mm.
    assert error(refined[0]) < 0.3 * error(first)
    assert error(refined[0]) < 50e-6


def test_odd_sizes_and_a_scan_with_noise():
    for height, width in ((41, 79), (97, 38)):
        made = DualSynthesizer(spec("dent", amp_mm=(2, 3))).draw(good(height=height, width=width, sigma=2e-4), seed=2)
        assert made.mask.shape == (height, width)
        assert made.provenance.instances[0].parameters["snr"] >= 3


def _digest(seed):
    made = DualSynthesizer(spec("crack")).draw(plate(), seed)
    marks = made.provenance.masks
    parts = (made.image, made.xyz, made.mask, marks.geometry, marks.image, marks.number)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_any_process():
    here = [_digest(seed) for seed in range(4)]
    with ProcessPoolExecutor(4) as workers:
        assert list(workers.map(_digest, range(4))) == here
    assert len(set(here)) == 4


def test_a_bulge_lit_from_the_left_is_brighter_on_its_left_flank():
    start = good(height=81, width=101)
    lit = Sample(id="lit", image=np.full_like(start.image, 120), xyz=start.xyz, meta={"light": ((-0.7, 0, -0.7), 0.3)})
    wide = spec("bulge", radius_mm=(12, 12), amp_mm=(3, 3), aspect=(1, 1), profile=("cosine",), ragged=0, skew=0)
    made = DualSynthesizer(wide, baseline=0).draw(lit, seed=5)
    row, column = made.provenance.instances[0].parameters["seed_pixel"]
    left, right = made.image[row, column - 4 : column - 2].mean(), made.image[row, column + 3 : column + 5].mean()
    assert left > 125 > 115 > right


def test_several_defects_keep_apart_and_are_counted():
    wide = plate(height=151, width=203)
    made = DualSynthesizer([spec("dent", radius_mm=(4, 5)), spec("stain", radius_mm=(4, 6))]).draw(wide, seed=4)
    marks = made.provenance.masks
    assert made.defect == "combined"
    assert [one.type for one in made.provenance.instances] == ["dent", "stain"]
    assert set(np.unique(marks.number)) == {0, 1, 2}
    assert made.provenance.instances[1].parameters["visible_in"] == "rgb"


def test_a_modality_that_is_dropped_does_not_change():
    start = good()
    hidden = DualSynthesizer(spec("dent", visible=("geo",))).draw(start, seed=1)
    assert np.array_equal(hidden.image, start.image)
    assert (hidden.xyz != start.xyz).any()
    flat = DualSynthesizer(spec("dent", visible=("rgb",), amp_mm=(2, 3))).draw(start, seed=1)
    assert np.array_equal(flat.xyz, start.xyz)
    assert (flat.image != start.image).any()


def test_harder_defects_are_smaller_and_nearer_to_the_noise():
    noisy = good(height=121, width=161, sigma=1e-4)
    records = {}
    for level in ("easy", "hard"):
        made = [
            DualSynthesizer(spec("dent", difficulty=level, radius_mm=(20, 30))).draw(noisy, seed) for seed in range(8)
        ]
        records[level] = [one.provenance.instances[0].parameters for one in made]
    assert min(r["snr"] for r in records["easy"]) >= 11.9
    assert max(r["snr"] for r in records["hard"]) <= 6.1
    assert np.mean([r["reach_mm"] for r in records["hard"]]) < 0.5 * np.mean([r["reach_mm"] for r in records["easy"]])


def test_the_source_is_not_written_to():
    start = plate()
    image, xyz = start.image.copy(), start.xyz.copy()
    for kind in ("hole", "bend", "chip"):
        DualSynthesizer(spec(kind)).draw(start, seed=3)
    assert np.array_equal(start.image, image)
    assert np.array_equal(start.xyz, xyz)


def test_bad_scans_are_refused_with_a_remedy():
    start = plate()
    broken = start.xyz.copy()
    broken[5, 5] = np.nan
    cases = [
        (Sample(id="n", image=start.image, xyz=broken), r"1 pixels of xyz are NaN.*write \(0, 0, 0\)"),
        (Sample(id="e", image=start.image, xyz=np.zeros_like(start.xyz)), "0 of 5063 pixels returned a point"),
        (Sample(id="mm", image=start.image, xyz=start.xyz * 1000), "is xyz in millimetres"),
        (Sample(id="i", xyz=start.xyz), "no image"),
        (Sample(id="c", image=start.image), "no organised cloud"),
        (Sample(id="s", image=start.image, xyz=np.roll(start.xyz, 40, 0)), "rays of one camera"),
    ]
    for sample, words in cases:
        with pytest.raises(SampleError, match=words):
            DualSynthesizer("dent").draw(sample, seed=0)
    with pytest.raises(GeneratorError, match="did you mean dent"):
        DualSynthesizer("dentt")


def test_what_is_worked_out_of_a_scan_is_remembered_by_its_content(monkeypatch):
    prepared = []
    memory = Memory(lambda sample: prepared.append(sample.id) or len(prepared))
    first, same, other = plate(), replace(plate(), id="copied", xyz=plate().xyz.copy()), plate(seed=1)
    assert [memory.get(one) for one in (first, first, same, other, first)] == [1, 1, 1, 2, 1]
    assert prepared == ["plate0", "plate1"]
    assert memory.get(replace(first, meta={"sigma_z": 1e-4})) == 3
    changed = replace(first, image=first.image.copy())
    changed.image[0, 0] += 1
    assert memory.get(changed) == 4
    monkeypatch.setattr("synth.dual.memory.KEPT_BYTES", 3 * first.xyz.nbytes)
    memory.get(plate(seed=2))
    assert memory.get(changed) == 4  # used last: still there
    assert memory.get(other) == 6  # forgotten, worked out again


def test_the_part_is_found_before_its_table():
    scene = prepare(good(height=121, width=161))
    rows, columns = np.indices(scene.shape)
    true = (np.abs(columns - 80.5) < 0.36 * 161) & (np.abs(rows - 60.5) < 0.36 * 121)
    assert (scene.foreground == true).mean() > 0.99
    assert scene.camera.fx == pytest.approx(FOCAL, rel=1e-4)
    assert scene.plane.height(scene.xyz)[60, 80] == pytest.approx(0.01, abs=1e-4)
    assert 0.9 * DEPTH < scene.xyz[60, 80, 2] < DEPTH
