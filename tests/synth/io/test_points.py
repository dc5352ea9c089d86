"""Every cloud and mesh format, written here by hand or by open3d and trimesh, in every unit; and what is refused."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh

from synth.dual.surface import prepare_surface
from synth.dual.synthesizer import DualSynthesizer
from synth.errors import SourceError
from synth.io.points import METRES, ply_bytes, read_ply, read_points
from synth.io.units import guess_unit
from synth.sample import Sample
from synth.sources import read
from tests.synth.dual.scans import ball_cloud

RADIUS = 0.03
MESHES = {"stl": {"file_type": "stl"}, "ascii.stl": {"file_type": "stl_ascii"}, "obj": {}, "ply": {}, "off": {}}


def ball(unit: str = "m") -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=3, radius=RADIUS / METRES[unit])


def rows() -> np.ndarray:
    """x y z of 211 points in mm, all different, 40 mm across."""
    points = np.random.default_rng(3).uniform(-20, 20, (211, 3)).astype(np.float32)
    points[:2] = [[-20, -20, -20], [20, 20, 20]]
    return points


@pytest.mark.parametrize("suffix", MESHES)
@pytest.mark.parametrize("unit", ["m", "mm", "inch"])
def test_a_mesh_of_any_format_and_unit_becomes_points_in_metres(tmp_path, suffix, unit):
    path = tmp_path / f"ball.{suffix}"
    ball(unit).export(path, **MESHES[suffix])
    for given in ("auto", unit):
        cloud = read_points(path, 1500, given)
        assert cloud.points.shape == (1500, 3)
        away = np.linalg.norm(cloud.points, axis=1)
        assert away.max() <= RADIUS * 1.0001
        assert away.min() > 0.985 * RADIUS  # faces lie inside the ball
        assert ((cloud.normals * cloud.points).sum(1) > 0.98 * away).all()


def test_points_lie_evenly_on_a_mesh(tmp_path):
    (tmp_path / "ball.stl").write_bytes(ball("mm").export(file_type="stl"))
    surface = prepare_surface("ball", read_points(tmp_path / "ball.stl", 2000))
    apart = surface.tree.query(surface.points, 2)[0][:, 1]
    even = np.sqrt(4 * np.pi * RADIUS**2 / 2000)
    assert np.median(apart) > 0.6 * even  # 0.5 for points thrown at random
    assert apart.max() < 2 * even


def ply_text(order: str) -> bytes:
    points, labels = rows(), np.arange(211) % 3 == 0
    head = f"ply\r\nformat {order} 1.0\r\ncomment by hand\r\nelement vertex 211\r\nproperty float32 x\r\n"
    head += "property double y\r\nproperty float z\r\nproperty uchar label\r\nend_header\r\n"
    if order == "ascii":
        return (
            head + "".join(f"{x} {y} {z} {int(k)}\r\n" for (x, y, z), k in zip(points, labels, strict=True))
        ).encode()
    sign = "<" if "little" in order else ">"
    return head.encode() + b"".join(
        struct.pack(f"{sign}fdfB", *point, k) for point, k in zip(points.tolist(), labels.tolist(), strict=True)
    )


@pytest.mark.parametrize("order", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_a_ply_of_points_is_read_whatever_its_encoding(tmp_path, order):
    (tmp_path / "p.ply").write_bytes(ply_text(order))
    cloud = read_points(tmp_path / "p.ply", columns=("x", "y", "z", "label"))
    np.testing.assert_allclose(cloud.points, rows() / 1000, rtol=1e-6)
    np.testing.assert_array_equal(cloud.labels, np.arange(211) % 3 == 0)
    assert read_points(tmp_path / "p.ply").labels is None  # a label may be a class: it counts where it is asked for


@pytest.mark.parametrize("options", [{"write_ascii": True}, {"write_ascii": False}])
@pytest.mark.parametrize("suffix", ["ply", "pcd", "xyz"])
def test_what_open3d_writes_is_read_with_colours_and_normals(tmp_path, suffix, options):
    o3d = pytest.importorskip("open3d")
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(rows()))
    cloud.normals = o3d.utility.Vector3dVector(np.tile([0.0, 0.6, 0.8], (211, 1)))
    cloud.colors = o3d.utility.Vector3dVector(np.tile([255, 102, 51], (211, 1)) / 255)
    path = tmp_path / f"p.{suffix}"
    assert o3d.io.write_point_cloud(str(path), cloud, **options)
    found = read_points(path)
    np.testing.assert_allclose(found.points, rows() / 1000, atol=1e-7)  # its text has six digits
    if suffix != "xyz":
        np.testing.assert_allclose(found.normals, cloud.normals, atol=1e-6)
        np.testing.assert_array_equal(found.colors, np.tile([255, 102, 51], (211, 1)))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{x} {y} {z}\n", ()),
        ("{x},{y},{z},1\n", ()),
        ("{x} {y} {z} 0.0 0.6 0.8\n", ("normals",)),
        ("{x}\t{y}\t{z}\t10\t20\t30\n", ("colors",)),
    ],
)
def test_rows_of_numbers_are_read_by_what_their_columns_must_be(tmp_path, text, what):
    (tmp_path / "p.xyz").write_text("".join(text.format(x=x, y=y, z=z) for x, y, z in rows().tolist()))
    cloud = read_points(tmp_path / "p.xyz")
    np.testing.assert_allclose(cloud.points, rows() / 1000, rtol=1e-6)
    for name in ("labels", "normals", "colors"):
        assert (getattr(cloud, name) is not None) == (name in what)


def test_an_obj_of_vertices_alone_is_a_cloud(tmp_path):
    (tmp_path / "p.obj").write_text("".join(f"v {x} {y} {z}\n" for x, y, z in rows().tolist()))
    np.testing.assert_allclose(read_points(tmp_path / "p.obj").points, rows() / 1000, rtol=1e-6)


def test_a_pcd_with_padding_fields_is_read(tmp_path):
    head = "VERSION 0.7\nFIELDS x y z _ intensity _\nSIZE 4 4 4 1 4 1\nTYPE F F F U F U\nCOUNT 1 1 1 4 1 12\n"
    head += "WIDTH 211\nHEIGHT 1\nPOINTS 211\nDATA binary\n"
    body = b"".join(struct.pack("<fff4xf12x", *point, 0.5) for point in rows().tolist())
    (tmp_path / "p.pcd").write_bytes(head.encode() + body)
    np.testing.assert_allclose(read_points(tmp_path / "p.pcd").points, rows() / 1000, rtol=1e-6)


def test_points_that_did_not_return_are_left_out_and_the_rest_stays(tmp_path):
    points = rows()
    points[5:9] = np.nan
    cloud = ball_cloud(4).cloud
    (tmp_path / "p.ply").write_bytes(ply_bytes(type(cloud)(points)))
    np.testing.assert_allclose(
        read_points(tmp_path / "p.ply").points, np.delete(rows(), slice(5, 9), 0) / 1000, rtol=1e-6
    )


def zipped_zeros(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("points.npy")
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, b"\0" * 1000)
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 1000), struct.pack("<I", 3 * 2**30 + 2**26)))


REFUSED = {
    "nothing but NaN": (
        lambda p: np.savetxt(p / "a.xyz", np.full((200, 3), np.nan)),
        "a.xyz holds no point: 200 not finite",
    ),
    "three points": (lambda p: np.savetxt(p / "a.xyz", rows()[:3]), "a.xyz holds 3 points, wanted at least 100"),
    "no file of numbers": (lambda p: (p / "a.xyz").write_text("well well\n"), "a.xyz cannot be read as points"),
    "cut off": (lambda p: (p / "a.ply").write_bytes(ply_text("binary_little_endian")[:999]), "a.ply cannot be read"),
    "no header": (lambda p: (p / "a.ply").write_bytes(b"ply\nformat ascii 1.0\n"), "a.ply.*end_header|end_header"),
    "empty mesh": (lambda p: (p / "a.stl").write_bytes(b"\0" * 84), "a.stl"),
    "flat mesh": (
        lambda p: trimesh.Trimesh(np.zeros((3, 3)), [[0, 1, 2]], process=False).export(p / "a.off"),
        "a.off.*neither points nor faces with an area",
    ),
    "pcd without sizes": (
        lambda p: (p / "a.pcd").write_text("FIELDS x y z\nPOINTS 9\nDATA binary_compressed\n"),
        r"a.pcd cannot be read as points \(its PCD header has no SIZE\)",
    ),
    "one place": (
        lambda p: np.savetxt(p / "a.xyz", np.full((200, 3), 7.0)),
        "a.xyz holds no point: 200 no return; scan or export it again",
    ),
    "few points many times": (
        lambda p: np.savetxt(p / "a.xyz", np.repeat(rows()[:60], 4, 0)),
        "a.xyz holds 60 points, 180 others are none, wanted at least 100",
    ),
    "too few rows": (
        lambda p: (p / "a.ply").write_bytes(ply_text("ascii").rstrip().rpartition(b"\r\n")[0]),
        r"a\.ply cannot be read as points \(it holds 210 rows of numbers, wanted 211\)",
    ),
    "more points than bytes": (
        lambda p: (p / "a.ply").write_bytes(ply_text("binary_little_endian").replace(b" 211", b" 211000000000")),
        r"a\.ply cannot be read as points \(it ends after 3,587 of 3,587,000,000,000 bytes\)",
    ),
    "an archive that unpacks to gigabytes": (
        lambda p: zipped_zeros(p / "a.npz"),
        r"a\.npz .*it unpacks to 3,136 MiB",
    ),
    "a pickle": (lambda p: np.savez(p / "a.npz", points=np.array([{}])), r"a\.npz cannot be read .*allow_pickle"),
    "micrometres": (lambda p: np.savetxt(p / "a.xyz", rows() * 1000), r"40 m across in mm; set source\.unit"),
    "metres taken for millimetres": (
        lambda p: np.savetxt(p / "a.xyz", rows() / 1000),
        r"4e-05 m across in mm; set source\.unit",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_cloud_is_refused_with_its_name_and_a_remedy(tmp_path, name):
    write, words = REFUSED[name]
    write(tmp_path)
    unit = "mm" if name.startswith("metres") else "auto"
    with pytest.raises(SourceError, match=words):
        list(read(tmp_path, "clouds", unit=unit))


def test_meshes_that_are_no_solids_still_give_points_that_carry_defects(tmp_path):
    """Faces that share an edge three times, a hole, a double face and one without area."""
    solid = ball("mm")
    fin = np.vstack([solid.vertices, [0, 0, 45]])
    edge = solid.faces[0][:2]
    faces = np.vstack([solid.faces[20:], [[*edge, len(fin) - 1]], solid.faces[50:51], [[3, 3, 4]]])
    broken = trimesh.Trimesh(fin, faces, process=False)
    assert not broken.is_watertight
    broken.export(tmp_path / "broken.obj")
    cloud = read_points(tmp_path / "broken.obj", 3000)
    assert np.isfinite(cloud.points).all()
    np.testing.assert_allclose(np.linalg.norm(cloud.normals, axis=1), 1, rtol=1e-5)
    made = DualSynthesizer("dent").draw(Sample(id="broken", cloud=cloud), seed=1)
    assert made.cloud.labels.any()
    assert np.isfinite(made.cloud.points).all()


def test_units_are_guessed_by_the_size_of_a_part():
    points = ball_cloud(200).cloud.points
    assert [guess_unit(np.ptp(points, axis=0).max() * factor) for factor in (1, 1000, 40)] == ["m", "mm", "inch"]


LARGE = """
import numpy as np, resource, sys
from synth.sample import Cloud
from synth.io.points import ply_bytes, read_points
k = np.arange(1_000_000, dtype=np.float32)
open(sys.argv[1], "wb").write(ply_bytes(Cloud(np.stack([k % 1000, k // 1000, 0 * k], 1) / 10)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
cloud = read_points(sys.argv[1], 5000)
print(len(cloud.points), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_cloud_is_thinned_within_a_few_times_its_own_size(tmp_path):
    command = [sys.executable, "-c", LARGE, str(tmp_path / "large.ply")]
    count, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(count) == 5000
    assert int(kilobytes) < 8 * 12 * 1000  # the file holds 12 MB


def test_a_ply_of_ours_is_read_back_to_the_bit(tmp_path):
    cloud = ball_cloud(300).cloud
    (tmp_path / "p.ply").write_bytes(ply_bytes(cloud))
    found = read_ply(tmp_path / "p.ply")
    np.testing.assert_array_equal(found.points, cloud.points)
    np.testing.assert_array_equal(found.normals, cloud.normals)


def test_normals_that_are_no_numbers_are_not_known(tmp_path):
    cloud = ball_cloud(300).cloud
    normals = cloud.normals.copy()
    normals[7] = np.nan
    (tmp_path / "p.ply").write_bytes(ply_bytes(type(cloud)(cloud.points, normals)))
    found = read_points(tmp_path / "p.ply")
    assert found.normals is None
    assert len(found.points) == 300
