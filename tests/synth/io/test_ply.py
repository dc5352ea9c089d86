"""Every PLY that the format allows: types, orders, elements and lists before and after the vertices."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import SourceError
from synth.io.ply import ply_bytes, read_header
from synth.io.points import CloudOptions, read_cloud, read_ply, read_points
from synth.sample import Cloud

ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
CODES = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d"}
ALIASES = {"uchar": "uint8", "int": "int32", "float": "float32", "double": "float64", "ushort": "uint16"}
SIZE = 40
POINTS = np.random.default_rng(5).integers(-30, 31, (SIZE, 3)) + np.linspace(0, 0.5, SIZE)[:, None]
NORMALS = np.tile([0.0, 0.6, 0.8], (SIZE, 1))
COLORS = np.random.default_rng(6).integers(0, 256, (SIZE, 3))


def ply(order: str, elements: list[tuple[str, list[tuple[str, str]], list[list[object]]]]) -> bytes:
    """A PLY of (element, [(property, type or "list count item")], rows)."""
    head = ["ply", f"format {order} 1.0", "comment by hand", "obj_info none"]
    body = b""
    for name, properties, rows in elements:
        head.append(f"element {name} {len(rows)}")
        head += [f"property {kind} {own}" for own, kind in properties]
        for row in rows:
            words: list[bytes] = []
            for value, (_, kind) in zip(row, properties, strict=True):
                types = kind.split()[1:] if kind.startswith("list") else [kind]
                flat = [(types[0], len(value)), *((types[1], v) for v in value)] if len(types) == 2 else [(kind, value)]
                for form, number in flat:
                    code = CODES.get(form) or CODES[next(k for k, alias in ALIASES.items() if alias == form)]
                    cast = float(number) if code in "fd" else int(number)
                    words.append(str(cast).encode() if order == "ascii" else struct.pack(ORDERS[order] + code, cast))
            body += b" ".join(words) + b"\n" if order == "ascii" else b"".join(words)
    return "\n".join([*head, "end_header", ""]).encode() + body


EXTRAS = {
    "camera": ("camera", [("px", "float"), ("py", "double")], [[1.5, 2.5]]),
    "lists": ("range_grid", [("indices", "list uchar int"), ("w", "float")], [[[1, 2, 3], 0.5], [[], 1.5], [[7], 2.5]]),
    "empty": ("edge", [("a", "int")], []),
}


@settings(max_examples=60, deadline=None)
@given(
    order=st.sampled_from(sorted(ORDERS)),
    place=st.sampled_from(["float", "double", "float32", "float64"]),
    colour=st.sampled_from([None, "uchar", "uint8", "float", "double", "ushort"]),
    names=st.sampled_from(["", "diffuse_"]),
    normals=st.booleans(),
    inner=st.sampled_from([None, "list uchar int", "list int float"]),
    before=st.sampled_from([None, *EXTRAS]),
    after=st.sampled_from([None, *EXTRAS]),
    shuffled=st.randoms(use_true_random=False),
)
def test_vertices_are_read_whatever_types_orders_and_elements(
    tmp_path_factory, order, place, colour, names, normals, inner, before, after, shuffled
):
    scale = {"float": 1 / 255, "double": 1 / 255, "ushort": 257}.get(colour, 1)
    columns: list[tuple[str, str, object]] = [(k, place, POINTS[:, i]) for i, k in enumerate("xyz")]
    if normals:
        columns += [(f"n{k}", "float", NORMALS[:, i]) for i, k in enumerate("xyz")]
    if colour:
        columns += [(names + k, colour, COLORS[:, i] * scale) for i, k in enumerate(("red", "green", "blue"))]
        columns.append(("alpha", "uchar", np.full(SIZE, 255)))
    columns += [("intensity", "float", np.arange(SIZE)), ("label", "int", np.ones(SIZE))]
    if inner:
        columns.append(("near", inner, [[k] * (k % 3) for k in range(SIZE)]))
    shuffled.shuffle(columns)
    rows = [list(row) for row in zip(*(values for *_, values in columns), strict=True)]
    vertex = ("vertex", [(name, kind) for name, kind, _ in columns], rows)
    path = tmp_path_factory.mktemp("ply") / "p.ply"
    path.write_bytes(ply(order, [*([EXTRAS[before]] if before else []), vertex, *([EXTRAS[after]] if after else [])]))
    cloud = read_points(path, unit="mm")
    np.testing.assert_allclose(cloud.points, POINTS / 1000, atol=1e-8)
    assert cloud.labels is None
    assert (cloud.normals is not None) == normals
    assert (cloud.colors is not None) == (colour is not None)
    if colour:
        np.testing.assert_array_equal(cloud.colors, COLORS)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("colour", ["uchar", "float"])
def test_faces_with_rows_make_a_mesh_that_keeps_its_vertices_colours(tmp_path, order, colour):
    corners = [[0, 0, 0], [40, 0, 0], [0, 40, 0]]
    lit = 1 if colour == "float" else 255
    rows = [[*corner, *(lit * (k == own) for k in range(3))] for own, corner in enumerate(corners)]
    properties = [(k, "float") for k in "xyz"] + [(k, colour) for k in ("red", "green", "blue")]
    faces = ("face", [("vertex_indices", "list uchar int")], [[[0, 1, 2]]])
    (tmp_path / "a.ply").write_bytes(ply(order, [("vertex", properties, rows), faces]))
    reading = read_cloud(tmp_path / "a.ply", CloudOptions(500, "mm"))
    assert reading.mesh
    cloud = reading.cloud
    assert cloud.points.shape == (500, 3)
    weights = np.stack([1 - cloud.points[:, :2].sum(1) / 0.04, *(cloud.points[:, :2].T / 0.04)], 1)
    np.testing.assert_allclose(cloud.colors, 255 * weights, atol=1.5)


@pytest.mark.parametrize("order", ORDERS)
def test_rows_that_end_early_are_refused(tmp_path, order):
    whole = ply(order, [("vertex", [(k, "float") for k in "xyz"] + [("n", "list uchar int")], [[1, 2, 3, [4]]] * 9)])
    (tmp_path / "a.ply").write_bytes(whole[:-7])
    with pytest.raises(SourceError, match=r"a\.ply cannot be read as points \(.+\); export it as PLY"):
        read_points(tmp_path / "a.ply")


@pytest.mark.parametrize("offset", [(4.0e5, 5.0e6, 300.0), (-12.0, 80.0, 0.0), (0.0, 0.0, 0.0)])
def test_a_cloud_far_away_is_stored_in_its_own_frame_and_read_back(tmp_path: Path, offset):
    points = np.random.default_rng(3).uniform(-0.05, 0.05, (300, 3)).astype(np.float32)
    cloud = Cloud(points, labels=points[:, 0] > 0, origin=offset)
    content = ply_bytes(cloud)
    (tmp_path / "a.ply").write_bytes(content)
    found = read_ply(tmp_path / "a.ply")
    assert found.origin == offset
    np.testing.assert_allclose(found.points, points, atol=2e-9)
    np.testing.assert_array_equal(found.labels, cloud.labels)
    with (tmp_path / "a.ply").open("rb") as file:
        kinds = {one.kind for one in read_header(file).elements[0].properties if one.name in "xyz"}
    assert kinds == {"f8" if any(offset) else "f4"}
