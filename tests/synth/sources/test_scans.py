"""Scans in the frames, units, codes for no return and files that people keep them in."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synth.errors import SourceError
from synth.io.camera import Camera
from synth.sources import list_tree, read, recognise
from synth.sources.scan_options import ScanOptions
from synth.sources.scans import read_scan
from tests.synth.dual.frames import CODES, FILES, FOCAL, FRAMES, PITCH, SHAPE, TILTED, UNITS, coded, dome, scan_tree

TURNED = {"turned by 90", "OpenGL", "negative z", "z and y exchanged", "robot", "tilted"}


def saved(folder: Path, xyz: np.ndarray, file: str = "plain") -> Path:
    suffix, write = FILES[file]
    path = folder / f"a{suffix}"
    with np.errstate(over="ignore"):
        write(path, np.ascontiguousarray(xyz, dtype=np.float32))
    return path


def notes_of(scan):
    return " ".join(note.text for note in scan.notes)


@settings(max_examples=40, deadline=None)
@given(
    frame=st.sampled_from(sorted(FRAMES)),
    unit=st.sampled_from(sorted(UNITS)),
    code=st.sampled_from(sorted(CODES)),
    file=st.sampled_from(sorted(FILES)),
    table=st.booleans(),
)
def test_a_scan_in_any_frame_unit_code_and_file_is_the_same_scan(frame, unit, code, file, table):
    _, there = FRAMES[frame](dome(table))
    with tempfile.TemporaryDirectory() as folder:
        scan = read_scan(saved(Path(folder), coded(UNITS[unit] * there, CODES[code]), file))
    # What a frame does to the grid, without what it does to the coordinates.
    _, seen = FRAMES[frame](dome(table)) if frame in {"turned by 90", "resized"} else dome(table)
    if frame in {"turned by 180", "mirrored in x", "mirrored in y"}:
        seen = FRAMES[frame](dome(table))[1]
    valid = seen.any(-1)
    assert scan.unit == unit
    assert ((scan.xyz[..., 2] > 0) == valid).all()
    assert not scan.xyz[~valid].any()
    np.testing.assert_allclose(scan.xyz[..., 2], seen[..., 2], atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(scan.xyz, axis=-1), np.linalg.norm(seen, axis=-1), atol=2e-5)
    assert ("is turned to the camera's frame" in notes_of(scan)) == (frame in TURNED)
    assert ("taken for no return" in notes_of(scan)) == (code != "zero")


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("up", [1, -1], ids=["heights", "depths"])
def test_parallel_rays_are_read_as_such_towards_the_sensor(tmp_path, unit, code, up):
    _, xyz = dome(orthographic=True)
    there = np.where(xyz.any(-1, keepdims=True), xyz * [1, 1, up] + [0, 0, 0 if up > 0 else 2.0], 0) * UNITS[unit]
    scan = read_scan(saved(tmp_path, coded(there, CODES[code])))
    valid = scan.xyz[..., 2] > 0
    assert scan.orthographic
    assert scan.unit == unit
    assert (valid == xyz.any(-1)).all()
    np.testing.assert_allclose(np.ptp(scan.xyz[..., 2][valid]), np.ptp(xyz[..., 2][valid]), atol=1e-5)
    assert scan.xyz[30, 42, 2] < scan.xyz[5, 5, 2] - 0.03  # the dome's top is nearer than the table
    assert abs(scan.facts["camera"]["pitch_x"]) == pytest.approx(PITCH * UNITS[unit], rel=1e-3)
    assert "parallel rays" in notes_of(scan)


def flat(shape=SHAPE, turn=TILTED, shift=(1, -2, 3)):
    rows, columns = np.indices(shape).astype(float)
    plane = np.stack([(columns - 40) / FOCAL, (rows - 30) / FOCAL, np.ones(shape)], -1) * 0.4
    return plane @ np.asarray(turn).T + np.asarray(shift)


UNSURE = {
    "something flat in a robot's frame": (flat(), r"source\.viewpoint"),
    "rows shuffled": (dome()[1][np.random.default_rng(0).permutation(SHAPE[0])], r"source\.viewpoint"),
    "a depth of 30": (dome()[1] * 75, r"a median depth of 30.* say source\.unit"),
    "one depth a pixel": (dome()[1][..., 2], r"source\.camera: \{fx: \.\.\., fy: "),
    "four channels": (np.dstack([dome()[1], np.ones(SHAPE)]), r"is float32 \(60, 84, 4\), wanted height x width x 3"),
}


@pytest.mark.parametrize("name", UNSURE)
def test_what_is_not_sure_raises_with_the_field_that_decides(tmp_path, name):
    values, words = UNSURE[name]
    tifffile.imwrite(tmp_path / "a.tiff", values.astype(np.float32), photometric="minisblack")
    if values.ndim == 3 and values.shape[2] == 3:
        tifffile.imwrite(tmp_path / "a.tiff", values.astype(np.float32), photometric="rgb")
    elif values.ndim == 3:
        np.save(tmp_path / "a.npy", values.astype(np.float32))
    path = tmp_path / ("a.npy" if values.ndim == 3 and values.shape[2] == 4 else "a.tiff")
    with pytest.raises(SourceError, match=words) as raised:
        read_scan(path)
    assert path.name in str(raised.value)


def test_unsigned_coordinates_are_refused_by_what_they_lack(tmp_path):
    np.save(tmp_path / "a.npy", (dome()[1] * 1000).clip(0).astype(np.uint16))
    with pytest.raises(SourceError, match="negative coordinates were cut off; export signed"):
        read_scan(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_signed_integers_in_micrometres_or_tenths_are_read(tmp_path, dtype):
    scale = 1e6 if dtype == np.int32 else 1e3
    np.save(tmp_path / "a.npy", np.rint(dome()[1] * scale).astype(dtype))
    scan = read_scan(tmp_path / "a.npy")
    np.testing.assert_allclose(scan.xyz[..., 2], dome()[1][..., 2], atol=1e-3)


def test_a_viewpoint_decides_what_a_flat_scan_does_not_tell(tmp_path):
    scan = read_scan(saved(tmp_path, flat()), ScanOptions(viewpoint=(1, -2, 3)))
    np.testing.assert_allclose(scan.xyz[..., 2], 0.4, atol=1e-5)
    _, seen = FRAMES["tilted"](dome())
    with pytest.raises(SourceError, match=r"check source\.viewpoint"):
        read_scan(saved(tmp_path, seen), ScanOptions(viewpoint=(1.3, -2, 3)))


@pytest.mark.parametrize("up", [1, -1])
def test_a_viewpoint_decides_on_which_side_parallel_rays_come_from(tmp_path, up):
    _, xyz = dome(orthographic=True)
    scan = read_scan(saved(tmp_path, xyz), ScanOptions(viewpoint=(0, 0, up * 9.0)))
    assert (scan.xyz[30, 42, 2] < scan.xyz[5, 5, 2]) == (up > 0)


def test_heights_that_may_be_depths_are_a_warning(tmp_path):
    _, xyz = dome(orthographic=True)
    warned = [
        any(note.warning and note.field == "source.viewpoint" for note in read_scan(saved(tmp_path, there)).notes)
        for there in (xyz, xyz * [1, 1, -1])
    ]
    assert warned == [False, True]


def test_a_unit_that_is_given_decides(tmp_path):
    path = saved(tmp_path, dome()[1] * 100)
    assert read_scan(path, ScanOptions(unit="cm")).xyz[5, 5, 2] == pytest.approx(0.4, abs=1e-3)
    assert read_scan(path, ScanOptions(unit="inch")).xyz[5, 5, 2] == pytest.approx(1.016, abs=3e-3)


def test_one_unit_a_product_and_a_scan_that_differs_is_named(tmp_path):
    pairs = [dome(seed=k) for k in range(4)]
    scan_tree(tmp_path, [*pairs[:3], (pairs[3][0], 1000 * pairs[3][1])])
    with pytest.raises(SourceError, match=r"003\.tiff: a median depth of 400 .* read in metres; .*source\.unit"):
        list(read(tmp_path))
    again = [sample.xyz[5, 5, 2] for sample in read(tmp_path, layout="mvtec_3d", unit="m", exclude=["*/003.*"])]
    assert again == pytest.approx([0.4] * 3, abs=1e-3)


def test_a_unit_that_may_as_well_be_another_is_a_warning(tmp_path):
    scan_tree(tmp_path, [(dome()[0], 200 * dome()[1])])
    notes = [note for sample in read(tmp_path) for note in sample.meta["entry"].notes]
    assert [note.warning for note in notes] == [True]
    assert "source.unit: cm" in notes[0].text


DEPTHS = {
    "16-bit PNG in mm": (".png", lambda path, z: Image.fromarray(np.rint(z * 1000).astype(np.uint16)).save(path), {}),
    "PNG of 5000 a metre": (
        ".png",
        lambda path, z: Image.fromarray(np.rint(z * 5000).astype(np.uint16)).save(path),
        {"step_mm": 0.2},
    ),
    "npy in metres": (".npy", lambda path, z: np.save(path, z.astype(np.float32)), {}),
    "TIFF with NaN": (".tiff", lambda path, z: tifffile.imwrite(path, np.where(z > 0, z, np.nan)), {}),
}


@pytest.mark.parametrize("name", DEPTHS)
def test_depths_with_intrinsics_beside_images_are_scans(tmp_path, name):
    suffix, write, more = DEPTHS[name]
    image, xyz = dome()
    good = tmp_path / "train" / "good"
    for folder in ("rgb", "depth"):
        (good / folder).mkdir(parents=True)
    Image.fromarray(image).save(good / "rgb" / "000.png")
    write(good / "depth" / f"000{suffix}", xyz[..., 2])
    camera = {"fx": FOCAL, "fy": FOCAL, "cx": (SHAPE[1] - 1) / 2, "cy": (SHAPE[0] - 1) / 2, **more}
    assert recognise(tmp_path) == "mvtec_3d"
    (sample,) = read(tmp_path, layout="mvtec_3d", camera=camera)
    np.testing.assert_allclose(sample.xyz, xyz, atol=6e-4)
    with pytest.raises(SourceError, match=r"source\.camera: \{fx"):
        list(read(tmp_path))


def test_heights_with_a_pitch_are_an_orthographic_scan(tmp_path):
    _, xyz = dome(orthographic=True)
    heights = np.where(xyz.any(-1), 1000 * xyz[..., 2], np.nan)
    np.save(tmp_path / "a.npy", heights)
    options = ScanOptions.of({"pitch_mm": (1e3 * PITCH, 1e3 * PITCH)}, unit="mm")
    scan = read_scan(tmp_path / "a.npy", options)
    assert scan.orthographic
    assert scan.xyz[30, 42, 2] < scan.xyz[5, 5, 2] - 0.03
    assert abs(scan.xyz[5, 6, 0] - scan.xyz[5, 5, 0]) == pytest.approx(PITCH, rel=1e-3)
    with pytest.raises(SourceError, match=r"heights, whose unit nothing tells; say source\.unit"):
        read_scan(tmp_path / "a.npy", ScanOptions.of({"pitch_mm": 1.5}))


def test_a_camera_for_coordinates_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"holds coordinates, which tell their camera; leave source\.camera out"):
        read_scan(saved(tmp_path, dome()[1]), ScanOptions(camera=Camera(FOCAL, FOCAL, 40, 30)))


def test_a_clean_scan_in_the_camera_frame_keeps_its_numbers_bit_for_bit(tmp_path):
    xyz = dome()[1].astype(np.float32)
    np.testing.assert_array_equal(read_scan(saved(tmp_path, xyz)).xyz, xyz)


def test_a_flat_noiseless_table_is_no_code_for_no_return(tmp_path):
    rows, columns = np.indices(SHAPE).astype(float)
    depth = np.where((abs(rows - 30) < 15) & (abs(columns - 42) < 20), 0.35, 0.4)
    xyz = np.stack([(columns - 42) / FOCAL * depth, (rows - 30) / FOCAL * depth, depth], -1)
    assert (read_scan(saved(tmp_path, xyz)).xyz[..., 2] > 0).all()


CLUTTER = ("readme.txt", "license.txt", "Thumbs.db", "desktop.ini", ".DS_Store", "notes.md")


def test_the_archive_tree_with_what_lies_in_it_is_read_without_a_word(tmp_path):
    root = tmp_path / "mvtec_3d_anomaly_detection"
    for product in ("bagel", "tire"):
        for place in ("train/good", "validation/good", "test/good"):
            scan_tree(root / product, [dome()], place=place)
        scan_tree(root / product, [dome(seed=2)], place="test/hole")
        for kind in ("good", "hole"):
            mask = np.zeros(SHAPE, np.uint8)
            mask[20:30, 20:30] = 255 * (kind == "hole")
            (root / product / "test" / kind / "gt").mkdir()
            Image.fromarray(mask).save(root / product / "test" / kind / "gt" / "000.png")
        (root / product / "calibration").mkdir()
        (root / product / "calibration" / "camera_parameters.json").write_text("{}")
        (root / product / "class_ids.json").write_text("{}")
        (root / product / "train" / "good" / "rgb" / "@eaDir").mkdir()
        (root / product / "train" / "good" / "rgb" / "@eaDir" / "000.png").write_bytes(b"x")
        for name in CLUTTER:
            for place in (root, root / product, root / product / "train" / "good" / "xyz"):
                (place / name).write_bytes(b"x")
    listing = list_tree(root)
    assert not listing.problems
    kinds = sorted({(entry.product, entry.split, entry.defect) for entry in listing.entries}, key=str)
    assert kinds == sorted(
        {(p, *kind) for p in ("bagel", "tire") for kind in (("train", None), ("test", None), ("test", "hole"))},
        key=str,
    )
