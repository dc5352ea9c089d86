"""Exports with geometry, opened by readers written here to the documented layouts, by open3d, trimesh and datasets."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
import trimesh
from PIL import Image

from synth.io.points import ply_bytes
from synth.io.tiff import xyz_bytes
from synth.pipeline.runs import Run, export, run
from synth.recipe import Recipe
from synth.sources import read, recognise
from synth.writers import WRITERS
from synth.writers.parquet import DEPTH_STEP, write
from synth.writers.sink import FolderSink
from tests.synth.dual.scans import ball_cloud, plate
from tests.synth.trees import save

TREES = ("mvtec_3d", "ply", "anomaly_shapenet", "real3d_ad", "parquet")
DEFECTS = {
    "dent": {"scale": "none", "radius_mm": [8, 12], "amp_mm": [1, 2]},
    "through_hole": {"scale": "none", "radius_mm": [5, 6]},
}


def made_from(folder: Path, source: dict) -> Run:
    blocks = {
        "name": "things",
        "source": {"root": str(folder / "source"), **source},
        "generator": {"kind": "dual", "types": list(DEFECTS), "defects": DEFECTS, "draw_batch": 1},
        "request": {"per_defect": 2},
        "checks": {"min_on_product": 0, "min_area": 1},
        "output": {"format": "ply"},
    }
    return run(Recipe.model_validate(blocks), folder / "run")


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """A run on three organised scans, in every format that they suit."""
    folder = tmp_path_factory.mktemp("scans")
    for k in range(3):
        scan = plate(61, 83, seed=k)
        place = folder / "source" / "train" / "good"
        save(place / "rgb" / f"{k}.png", scan.image)
        (place / "xyz").mkdir(exist_ok=True)
        (place / "xyz" / f"{k}.tiff").write_bytes(xyz_bytes(scan.xyz))
    return with_exports(made_from(folder, {"kind": "mvtec_3d", "product": "plate"}), TREES)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    """A run on two clouds without a grid."""
    folder = tmp_path_factory.mktemp("clouds")
    (folder / "source").mkdir()
    for k in range(2):
        ball = ball_cloud(900 + 100 * k, seed=k).cloud
        (folder / "source" / f"{k}.ply").write_bytes(ply_bytes(ball))
    return with_exports(made_from(folder, {"kind": "clouds", "product": "ball"}), TREES[1:])


def with_exports(finished: Run, names: tuple[str, ...]) -> Run:
    for name in names:
        export(finished.path, name, finished.path.parent / name)
    return finished


def truth_of(finished: Run, defect: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points (n, 3) metres and labels of each sample of a type, from the run itself."""
    found = []
    for sample in finished.samples():
        if sample.defect == defect:
            cloud, xyz = sample.cloud, sample.xyz
            valid = None if xyz is None else xyz[..., 2] > 0
            found.append((cloud.points, cloud.labels) if xyz is None else (xyz[valid], sample.mask[valid]))
    return found


def pcd(path: Path) -> np.ndarray:
    """Points of a binary PCD as its specification has it: a header of lines up to DATA, then records."""
    head, _, body = path.read_bytes().partition(b"DATA binary\n")
    header = dict(line.split(" ", 1) for line in head.decode().splitlines() if line and line[0] != "#")
    assert (header["FIELDS"], header["SIZE"], header["TYPE"]) == ("x y z", "4 4 4", "F F F")
    assert int(header["WIDTH"]) * int(header["HEIGHT"]) == int(header["POINTS"])
    return np.array(list(struct.iter_unpack("<3f", body)))


def mvtec_3d_reader(root: Path, product: str) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """The test split as its users read it: paths sorted, the three folders side by side, gt > 127 is defect."""
    found = []
    for kind in sorted((root / product / "test").iterdir()):
        rgbs, xyzs, gts = (sorted((kind / name).iterdir()) for name in ("rgb", "xyz", "gt"))
        assert [p.stem for p in rgbs] == [p.stem for p in xyzs] == [p.stem for p in gts]
        assert [p.stem for p in rgbs] == [f"{k:03}" for k in range(len(rgbs))]
        for rgb, xyz, gt in zip(rgbs, xyzs, gts, strict=True):
            mask = np.asarray(Image.open(gt).convert("L")) > 127
            found.append((kind.name, np.asarray(Image.open(rgb).convert("RGB")), tifffile.imread(xyz), mask))
    return found


def test_mvtec_3d_ad_opens_in_a_reader_of_its_layout(scans):
    root = scans.path.parent / "mvtec_3d"
    found = mvtec_3d_reader(root, "plate")
    assert [kind for kind, *_ in found] == ["dent", "dent", "through_hole", "through_hole"]
    by_image = {image.tobytes(): (xyz, mask) for _, image, xyz, mask in found}
    for sample in scans.samples():
        xyz, mask = by_image[sample.image.tobytes()]
        np.testing.assert_array_equal(xyz, sample.xyz)
        np.testing.assert_array_equal(mask, sample.mask)
        assert xyz.dtype == np.float32
    good = sorted((root / "plate" / "train" / "good" / "xyz").iterdir())
    np.testing.assert_array_equal(tifffile.imread(good[0]), plate(61, 83, seed=0).xyz)
    assert all(0.05 < np.median(xyz[..., 2][xyz[..., 2] > 0]) < 5 for _, _, xyz, _ in found)  # metres


@pytest.mark.parametrize("fixture", ["scans", "clouds"])
@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_anomaly_shapenet_opens_in_a_reader_of_its_layout(request, fixture, defect):
    finished = request.getfixturevalue(fixture)
    (product,) = (finished.path.parent / "anomaly_shapenet").iterdir()
    assert len(list((product / "train").glob(f"{product.name}_template*.pcd"))) >= 2
    assert not (product / "gt").exists()
    tests = sorted((product / "test").glob(f"{product.name}_{defect.replace('_', '')}*.pcd"))
    assert len(tests) == 2
    for path, (points, labels) in zip(tests, truth_of(finished, defect), strict=True):
        rows = np.loadtxt(product / "GT" / f"{path.stem}.txt", delimiter=",")
        np.testing.assert_allclose(rows[:, :3], points, atol=1e-7)
        np.testing.assert_array_equal(rows[:, 3], labels)
        np.testing.assert_array_equal(pcd(path).astype(np.float32), points)


@pytest.mark.parametrize("fixture", ["scans", "clouds"])
@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_real3d_ad_opens_in_a_reader_of_its_layout(request, fixture, defect):
    finished = request.getfixturevalue(fixture)
    (product,) = (finished.path.parent / "real3d_ad").iterdir()
    assert len(list((product / "train").glob("*template*.pcd"))) >= 2
    tests = [p for p in sorted((product / "test").glob("*.pcd")) if defect.replace("_", "") in p.stem]
    assert len(tests) == 2
    for path, (points, labels) in zip(tests, truth_of(finished, defect), strict=True):
        assert "good" not in path.stem
        rows = np.loadtxt(product / "gt" / f"{path.stem}.txt")  # blanks between
        np.testing.assert_allclose(rows[:, :3], 1000 * points, rtol=1e-6)  # millimetres
        np.testing.assert_array_equal(rows[:, 3], labels)
        np.testing.assert_allclose(pcd(path), 1000 * points, rtol=1e-6)


@pytest.mark.parametrize("name", ["anomaly_shapenet", "real3d_ad"])
def test_our_reader_takes_both_trees_back(clouds, name):
    root = clouds.path.parent / name
    assert recognise(root) == "clouds"
    again = list(read(root, unit="m" if name == "anomaly_shapenet" else "mm"))
    assert {s.defect for s in again} == {None, "dent", "throughhole"}
    made = truth_of(clouds, "dent")
    for sample, (points, labels) in zip([s for s in again if s.defect == "dent"], made, strict=True):
        np.testing.assert_allclose(sample.cloud.points, points, atol=1e-7)
        np.testing.assert_array_equal(sample.cloud.labels, labels)


@pytest.mark.parametrize("fixture", ["scans", "clouds"])
def test_every_cloud_opens_in_open3d_and_trimesh(request, fixture):
    o3d = pytest.importorskip("open3d")
    finished = request.getfixturevalue(fixture)
    parent = finished.path.parent
    for defect in DEFECTS:
        (product,) = (parent / "ply").iterdir()
        plys = sorted((product / defect).glob("*.ply"))
        for path, (points, labels) in zip(plys, truth_of(finished, defect), strict=True):
            opened = o3d.io.read_point_cloud(str(path))
            np.testing.assert_allclose(np.asarray(opened.points), points, atol=1e-8)
            assert opened.has_colors() == (fixture == "scans")
            assert opened.has_normals() == (fixture == "clouds")
            loaded = trimesh.load(path)
            np.testing.assert_array_equal(np.asarray(loaded.vertices, np.float32), points)
            vertices = loaded.metadata["_ply_raw"]["vertex"]["data"]
            np.testing.assert_array_equal(np.ravel(vertices["label"]), labels)
            with np.load(path.with_suffix(".npz")) as arrays:
                np.testing.assert_array_equal(arrays["points"], points)
                np.testing.assert_array_equal(arrays["labels"], labels)
    for path in parent.glob("*/*/test/*.pcd"):
        assert len(o3d.io.read_point_cloud(str(path)).points) == len(pcd(path))


def rows_of(finished: Run):
    from datasets import load_dataset

    folder = finished.path.parent / "parquet"
    return load_dataset(
        "parquet", data_files=str(folder / "train-*.parquet"), split="train", cache_dir=str(folder / "cache")
    )


def test_parquet_gives_datasets_the_organised_cloud_and_its_depth(scans):
    rows = rows_of(scans)
    assert rows.num_rows == 4 + 3
    for row, sample in zip(rows, scans.samples(), strict=False):
        assert row["id"] == sample.id
        np.testing.assert_array_equal(np.asarray(row["xyz"], np.float32), sample.xyz)
        depth = np.asarray(row["depth"]).astype(float) * DEPTH_STEP
        np.testing.assert_allclose(depth, sample.xyz[..., 2], atol=0.51 * DEPTH_STEP)
        assert ((depth == 0) == (sample.xyz[..., 2] == 0)).all()
        records = row["provenance"]["defects"]
        assert records[0]["type"] == sample.defect
    assert rows.with_format("numpy")[6]["xyz"].shape == (61, 83, 3)


def test_parquet_gives_datasets_clouds_as_meshes_with_labels(clouds):
    rows = rows_of(clouds)
    assert rows.num_rows == 4 + 2
    for row, sample in zip(rows, clouds.samples(), strict=False):
        assert isinstance(row["points"], trimesh.PointCloud)
        np.testing.assert_array_equal(np.asarray(row["points"].vertices, np.float32), sample.cloud.points)
        np.testing.assert_array_equal(row["labels"], sample.cloud.labels)
    assert not any(rows[5]["labels"])


def test_shards_and_groups_are_counted_with_their_geometry(scans, tmp_path):
    import pyarrow.parquet as pq

    samples = [*scans.samples(), *scans.good_images()]
    write(samples, FolderSink(tmp_path), shard_bytes=3 * 12 * 61 * 83)
    shards = sorted(tmp_path.glob("*.parquet"))
    assert len(shards) == 4  # seven clouds, two to a shard beside their images
    ids = [name for shard in shards for name in pq.read_table(shard)["id"].to_pylist()]
    assert ids == [sample.id for sample in samples]


@pytest.mark.parametrize("name", TREES)
def test_a_writer_of_geometry_gives_the_same_bytes_over_itself(scans, tmp_path, name):
    for _ in range(2):
        WRITERS[name].write([*scans.samples(), *scans.good_images()], FolderSink(tmp_path))
    first = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    exported = scans.path.parent / name
    assert first == {p: (exported / p).read_bytes() for p in first}
