"""TIFF as scanners' software, OpenCV and tifffile write it, and grids in numpy's own files."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
import tifffile

from synth.errors import SourceError
from synth.io.grids import read_grid
from synth.io.tiff import read_tiff

TYPES = ("float32", "float64", "float16", "uint16", "int16", "int32")
WRITERS = {
    "strips": {},
    "deflated": {"compression": "zlib"},
    "tiles": {"tile": (32, 32)},
    "deflated tiles": {"tile": (32, 32), "compression": "zlib"},
    "big": {"bigtiff": True},
    "big-endian": {"byteorder": ">"},
}


def values_of(dtype: str, channels: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (1000 * rng.normal(0.6, 0.01, (48, 70, channels)[: 2 + (channels > 1)])).astype(dtype)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("way", WRITERS)
def test_values_survive_every_common_way_of_writing(tmp_path, way, dtype, channels):
    values = values_of(dtype, channels)
    tifffile.imwrite(tmp_path / "a.tiff", values, photometric="rgb" if channels > 1 else "minisblack", **WRITERS[way])
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tiff"), values)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [name for name in TYPES if name != "float16"])
@pytest.mark.parametrize("code", [5, 8, 32773], ids=["LZW", "deflated", "PackBits"])
def test_what_opencv_writes_is_read(tmp_path, dtype, channels, code):
    values = values_of(dtype, channels)
    there = values[..., ::-1] if channels > 1 else values
    assert cv2.imwrite(str(tmp_path / "a.tiff"), there, [cv2.IMWRITE_TIFF_COMPRESSION, code])
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tiff"), values)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["planes", "pages"])
def test_planes_and_pages_are_put_together(tmp_path, kind, compression):
    values = values_of("float32", 3)
    options = {"photometric": "rgb", "planarconfig": "separate"} if kind == "planes" else {"photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tiff", np.moveaxis(values, -1, 0), compression=compression, **options)
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tiff"), values)


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def test_a_compressed_file_that_is_cut_short_is_refused(tmp_path, capfd):
    values = values_of("float32", 3)
    cv2.imwrite(str(tmp_path / "a.tiff"), values, [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    (tmp_path / "a.tiff").write_bytes(cut((tmp_path / "a.tiff").read_bytes()))
    with pytest.raises(SourceError, match=r"a\.tiff cannot be read as a TIFF"):
        read_tiff(tmp_path / "a.tiff")
    assert capfd.readouterr().err == ""


def test_pages_that_are_no_coordinates_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tiff", np.zeros((2, 48, 70), np.float32), photometric="minisblack")
    with pytest.raises(SourceError, match=r"it has 2 pages, read are one, or three for x, y and z"):
        read_tiff(tmp_path / "a.tiff")


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


GRID = values_of("float32", 3)
GRIDS = {
    "npy": ("a.npy", lambda: npy(GRID)),
    "planes first": ("a.npy", lambda: npy(np.moveaxis(GRID, -1, 0))),
    "npz of one": ("a.npz", lambda: npz(anything=GRID)),
    "npz with more": ("a.npz", lambda: npz(intensity=GRID[..., 0], xyz=GRID)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_numpy_files_hold_grids(tmp_path, name):
    file, content = GRIDS[name]
    (tmp_path / file).write_bytes(content())
    np.testing.assert_array_equal(read_grid(tmp_path / file), GRID)


BROKEN = {
    "pickled": ("a.npy", lambda: npy(np.array([{}])), r"a\.npy cannot be read as \.npy"),
    "cut": ("a.npy", lambda: cut(npy(GRID)), r"a\.npy cannot be read as \.npy"),
    "no archive": ("a.npz", lambda: b"PK and more", r"a\.npz cannot be read as \.npz"),
    "unknown names": ("a.npz", lambda: npz(a=GRID, b=GRID), r"a\.npz holds a, b; name its grid one of xyz"),
    "text": ("a.npy", lambda: npy(np.full((4, 4), "a")), r"is <U1 \(4, 4\), wanted height x width x 3"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_numpy_files_without_a_grid_are_refused_by_name(tmp_path, name):
    file, content, words = BROKEN[name]
    (tmp_path / file).write_bytes(content())
    with pytest.raises(SourceError, match=words):
        read_grid(tmp_path / file)
