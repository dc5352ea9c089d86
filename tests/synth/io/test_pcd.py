"""PCD in its three encodings, with colours, viewpoints and compression."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import SourceError
from synth.io.pcd import lzf
from synth.io.points import CloudOptions, read_cloud

SIZE = 300
POINTS = np.random.default_rng(1).uniform(-30, 30, (SIZE, 3)).astype(np.float32)
COLORS = np.random.default_rng(2).integers(0, 256, (SIZE, 3)).astype(np.uint32)
PACKED = COLORS[:, 0] << 16 | COLORS[:, 1] << 8 | COLORS[:, 2]


def packed_lzf(content: bytes) -> bytes:
    """LZF by the simplest compressor: copies of what stood 1 to 3 bytes before, else literals."""
    out, place, literal = bytearray(), 0, bytearray()

    def flush() -> None:
        while literal:
            out.append(min(len(literal), 32) - 1)
            out.extend(literal[:32])
            del literal[:32]

    while place < len(content):
        for back in (1, 2, 3, 4, 12):
            length = 0
            while length < 264 and place + length < len(content) and place >= back:
                if content[place + length] != content[place + length - back]:
                    break
                length += 1
            if length >= 3:
                flush()
                short = min(length - 2, 7)
                out.append(short << 5)
                if short == 7:
                    out.append(length - 9)
                out.append(back - 1)
                place += length
                break
        else:
            literal.append(content[place])
            place += 1
    flush()
    return bytes(out)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"b", b"abc", b"\0" * 40, b"xyzzy" * 60])).map(b"".join))
def test_lzf_gives_back_what_was_packed(content):
    assert lzf(packed_lzf(content), len(content)) == content


@pytest.mark.parametrize("packed", [b"\x20\x05", b"\x05ab", b""])
def test_damaged_lzf_is_refused(packed):
    with pytest.raises(ValueError, match="compressed data"):
        lzf(packed, 10)


def pcd(kind: str, colour: str, viewpoint: str = "0 0 0 1 0 0 0") -> bytes:
    fields = [("x", "F"), ("y", "F"), ("z", "F"), ("intensity", "F"), ("rgb", colour), ("label", "U")]
    values = [*POINTS.T, np.arange(SIZE, dtype=np.float32), PACKED.astype("<u4"), np.ones(SIZE, np.uint32)]
    if colour == "F" and kind != "ascii":
        values[4] = values[4].view("<f4")
    names, types = (" ".join(words) for words in zip(*fields, strict=True))
    head = f"VERSION 0.7\nFIELDS {names}\nSIZE 4 4 4 4 4 4\nTYPE {types}\n"
    head += f"COUNT 1 1 1 1 1 1\nWIDTH {SIZE}\nHEIGHT 1\nVIEWPOINT {viewpoint}\nPOINTS {SIZE}\nDATA {kind}\n"
    columns = [value.astype(value.dtype.newbyteorder("<")).tobytes() for value in values]
    if kind == "ascii":
        rows = zip(*(value.tolist() for value in values), strict=True)
        return (head + "\n".join(" ".join(map(str, row)) for row in rows)).encode()
    if kind == "binary":
        return head.encode() + np.frombuffer(b"".join(columns), "V4").reshape(len(values), SIZE).T.tobytes()
    body = b"".join(columns)
    packed = packed_lzf(body)
    return head.encode() + struct.pack("<II", len(packed), len(body)) + packed


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("colour", ["U", "F"])
def test_points_and_packed_colours_are_read_and_labels_are_not(tmp_path, kind, colour):
    (tmp_path / "a.pcd").write_bytes(pcd(kind, colour))
    reading = read_cloud(tmp_path / "a.pcd", CloudOptions(unit="mm"))
    np.testing.assert_allclose(reading.cloud.points, POINTS / 1000, atol=1e-8)
    np.testing.assert_array_equal(reading.cloud.colors, COLORS)
    assert reading.cloud.labels is None
    assert reading.viewpoint is None
    assert any("intensity" in one.text for one in reading.told)


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
def test_the_viewpoint_is_read_in_the_files_unit(tmp_path, kind):
    (tmp_path / "a.pcd").write_bytes(pcd(kind, "U", "10 20 500 1 0 0 0"))
    np.testing.assert_allclose(read_cloud(tmp_path / "a.pcd", CloudOptions(unit="mm")).viewpoint, [0.01, 0.02, 0.5])


def test_what_open3d_compresses_is_read(tmp_path):
    o3d = pytest.importorskip("open3d")
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(POINTS))
    cloud.colors = o3d.utility.Vector3dVector(COLORS / 255)
    assert o3d.io.write_point_cloud(str(tmp_path / "a.pcd"), cloud, compressed=True)
    found = read_cloud(tmp_path / "a.pcd", CloudOptions(unit="mm")).cloud
    np.testing.assert_allclose(found.points, POINTS / 1000, atol=1e-8)
    np.testing.assert_array_equal(found.colors, COLORS)


def test_a_compressed_block_of_another_size_is_refused(tmp_path):
    content = pcd("binary_compressed", "U")
    (tmp_path / "a.pcd").write_bytes(content.replace(f"POINTS {SIZE}".encode(), f"POINTS {SIZE + 1}".encode()))
    with pytest.raises(SourceError, match=r"a\.pcd cannot be read as points \(its compressed data holds"):
        read_cloud(tmp_path / "a.pcd", CloudOptions(unit="mm"))
