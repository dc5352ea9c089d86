"""Every kind of file that is read, cut short and with bytes changed: what cannot be read is refused with its name, in
seconds, and what is read is whole."""

from __future__ import annotations

import io
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
import trimesh
from PIL import Image

from synth.checks.ledger import LedgerRow, read_ledger, write_ledger
from synth.errors import SourceError
from synth.io.images import perceptual_hash, read_image, read_mask
from synth.io.points import npz_bytes, pcd_bytes, ply_bytes, read_points
from synth.io.tiff import xyz_bytes
from synth.parts import read_parts
from synth.sample import Cloud
from synth.sources.eyecandies_depth import read_depth
from synth.sources.scans import read_scan
from synth.sources.split_file import read_split_file
from tests.synth.dual.scans import ball_cloud, plate
from tests.synth.io.test_decoding import encoded, tiff
from tests.synth.trees import blob, random_image

CLOUD = ball_cloud(300, radius=0.015).cloud
PATIENCE = 3
"""Seconds that a file may take."""
Kind = tuple[str, Callable[[], bytes], Callable[[Path], Any]]
"""(name of the file, what makes its content, what reads it)."""


def image(form: str, array: np.ndarray, **options: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, form, **options)
        return buffer.getvalue()

    return make


def mesh(form: str) -> Callable[[], bytes]:
    def make() -> bytes:
        made = trimesh.creation.icosphere(subdivisions=1, radius=15).export(file_type=form)
        return made.encode() if isinstance(made, str) else made

    return make


def scan(**options: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, plate(61, 83).xyz, photometric="rgb", **options)
        return buffer.getvalue()

    return make


def text_rows(head: str = "") -> Callable[[], bytes]:
    rows = (1000 * CLOUD.points).tolist()
    return lambda: (head.format(len(rows)) + "".join(f"{x} {y} {z}\n" for x, y, z in rows)).encode()


def points(path: Path) -> Cloud:
    return read_points(path, 500)


def ledger() -> bytes:
    thumbnail = perceptual_hash(random_image(1)).tobytes()
    made = [LedgerRow(f"a/{n}", f"{n}.png", "shot", "a", "crack", f"{n:064}", thumbnail) for n in range(5)]
    return written(lambda path: write_ledger(made, path))


def written(write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "file")
        return (Path(folder) / "file").read_bytes()


def depth(path: Path) -> np.ndarray:
    """A depth image beside a whole sidecar, or a sidecar beside a whole image."""
    whole = {"a_depth.png": DEPTH(), "a_info_depth.yaml": SIDECAR}
    for name in set(whole) - {path.name}:
        path.with_name(name).write_bytes(whole[name])
    return read_depth(path.with_name("a_depth.png"))


PLY = "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
PCD = "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {0}\nHEIGHT 1\nPOINTS {0}\nDATA ascii\n"
DEEP_COLOUR = random_image(1).astype(np.uint16) * 16
DEPTH = image("PNG", np.linspace(9000, 60000, 37 * 53).reshape(37, 53).astype(np.uint16))
SIDECAR = b"normalization: {min: 0.31, max: 0.73}\n"
SPLIT = json.dumps({"shots": {"crack": ["a.png", "b.png"], "good": ["c.png"]}, "test": {"crack": ["d.png"]}}).encode()
FINDING = {"product": "a", "how": "whole", "share": 1.0, "covered": None, "text": "a: all of it"}

COUNTED: tuple[Kind, ...] = (
    ("a.png", image("PNG", random_image(1)), read_image),
    ("deep.png", image("PNG", random_image(1)[..., 0].astype(np.uint16) * 257), read_image),
    ("mask.png", image("PNG", blob(1)), read_mask),
    ("a.bmp", image("BMP", random_image(1)), read_image),
    ("a.tif", image("TIFF", random_image(1)), read_image),
    ("deflated.tif", image("TIFF", random_image(1), compression="tiff_deflate"), read_image),
    ("lzw.tif", image("TIFF", random_image(1), compression="tiff_lzw"), read_image),
    ("deep colour.png", lambda: encoded(".png", DEEP_COLOUR), read_image),
    ("deep colour.ppm", lambda: encoded(".ppm", DEEP_COLOUR), read_image),
    ("deep lzw.tif", lambda: encoded(".tif", DEEP_COLOUR, cv2.IMWRITE_TIFF_COMPRESSION, 5), read_image),
    ("deep planes.tif", lambda: tiff(DEEP_COLOUR, photometric="rgb", planarconfig="separate"), read_image),
    ("a.webp", image("WEBP", random_image(1), lossless=True), read_image),
    ("a.gif", image("GIF", random_image(1)[..., 0]), read_image),
    ("a.ppm", image("PPM", random_image(1)), read_image),
    ("a_depth.png", DEPTH, depth),
    ("xyz.tiff", lambda: xyz_bytes(plate(61, 83).xyz), read_scan),
    ("deflated.tiff", scan(compression="zlib"), read_scan),
    ("a.ply", lambda: ply_bytes(CLOUD), points),
    ("text.ply", text_rows(PLY), points),
    ("mesh.ply", mesh("ply"), points),
    ("a.pcd", lambda: pcd_bytes(CLOUD), points),
    ("text.pcd", text_rows(PCD), points),
    ("a.npz", lambda: npz_bytes(CLOUD), points),
    ("a.stl", mesh("stl"), points),
    ("a.off", mesh("off"), points),
    ("a.glb", mesh("glb"), points),
    ("split.json", lambda: SPLIT, read_split_file),
    ("parts.json", lambda: json.dumps({"findings": [FINDING], "shown": []}).encode(), read_parts),
    ("ledger.parquet", ledger, read_ledger),
)
"""What says how much it holds, so that a cut is seen."""
UNCOUNTED: tuple[Kind, ...] = (
    ("a.jpg", image("JPEG", random_image(1)), read_image),
    ("a.jp2", image("JPEG2000", random_image(1)), read_image),
    ("a.xyz", text_rows(), points),
    ("text.stl", mesh("stl_ascii"), points),
    ("a.obj", mesh("obj"), points),
    ("a_info_depth.yaml", lambda: SIDECAR, depth),
)
"""What may be cut so that it looks whole, as rows of numbers after a row."""
KINDS = {kind[0]: kind for kind in COUNTED + UNCOUNTED}


def plain(value: Any) -> Any:
    """The value in what == compares."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return plain(value.points) if isinstance(value, Cloud) else value


def outcome(kind: Kind, folder: Path, content: bytes) -> Any:
    """What the reader makes of the content, or the error with which it refuses it."""
    name, _, read = kind
    (folder / name).write_bytes(content)
    began = time.perf_counter()
    try:
        value = read(folder / name)
    except SourceError as problem:
        value = problem
    assert time.perf_counter() - began < PATIENCE
    if isinstance(value, SourceError):
        assert re.fullmatch(rf"{re.escape(str(folder))}/[^\n]*; [^\n]+", str(value)), value
        return value
    places = value.points if isinstance(value, Cloud) else value
    assert not isinstance(places, np.ndarray) or np.isfinite(places).all()
    return plain(value)


@pytest.mark.parametrize("name", KINDS)
def test_a_file_cut_short_is_refused_or_read_whole(tmp_path, name):
    kind = KINDS[name]
    content = kind[1]()
    whole = outcome(kind, tmp_path, content)
    assert not isinstance(whole, SourceError)
    size = len(content)
    for length in sorted({0, 1, 7, 30, *(size * part // 8 for part in range(1, 8)), size - 9, size - 1}):
        found = outcome(kind, tmp_path, content[:length])
        assert isinstance(found, SourceError) or kind in UNCOUNTED or found == whole, length
    assert isinstance(outcome(kind, tmp_path, b""), SourceError)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", KINDS)
def test_a_file_with_changed_bytes_is_refused_or_read(tmp_path, name):
    kind = KINDS[name]
    content = kind[1]()
    rng = np.random.default_rng(len(content))
    for place in [*range(0, 24, 3), *rng.integers(0, len(content), 16).tolist()]:
        changed = bytearray(content)
        changed[place % len(content)] ^= int(rng.integers(1, 256))
        outcome(kind, tmp_path, bytes(changed))
