"""Miniature trees of Real3D-AD and Anomaly-ShapeNet, written as their authors lay them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from synth.errors import SourceError
from synth.io.points import pcd_bytes
from synth.pipeline.inspect import inspect
from synth.pipeline.runs import run
from synth.recipe import Recipe
from synth.sample import Cloud
from synth.sources import list_tree, read, recognise
from tests.synth.dual.scans import ball_cloud
from tests.synth.trees import folder_tree, random_image, save

POINTS = ball_cloud(600, radius=0.015).cloud.points


def pcd(path: Path, points: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pcd_bytes(Cloud(points.astype(np.float32))))
    return path


def truth(path: Path, points: np.ndarray, separator: str) -> Path:
    """x y z label in rows, in another order than the cloud's and with one point more."""
    rows = np.column_stack([points, points[:, 2] > np.quantile(points[:, 2], 0.95)])[::-1]
    rows = np.vstack([rows, [*points[:3].mean(0), 0]])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, rows, fmt=["%.9g"] * 3 + ["%d"], delimiter=separator)
    return path


def real3d_tree(root: Path) -> Path:
    """<class>/{train, test, gt}, millimetres; `_cut` marks a scan of one side."""
    for name in ("car", "gem"):
        for k in range(4):
            pcd(root / name / "train" / f"{100 + k}_template.pcd", 1000 * POINTS + k + 1)
        for stem in ("105_good", "112_bulge", "117_sink_cut"):
            pcd(root / name / "test" / f"{stem}.pcd", 1000 * POINTS)
            if "good" not in stem:
                truth(root / name / "gt" / f"{stem}.txt", 1000 * POINTS, " ")
    return root


def shapenet_tree(root: Path) -> Path:
    """pcd/<class>/{train, test, GT}; no unit."""
    for name in ("ashtray0", "cap3"):
        for k in range(4):
            pcd(root / "pcd" / name / "train" / f"{name}_template{k}.pcd", POINTS + 0.001 * (k + 1))
        for stem in ("positive0", "bulge0", "scratch11"):
            pcd(root / "pcd" / name / "test" / f"{name}_{stem}.pcd", POINTS)
            if "positive" not in stem:
                truth(root / "pcd" / name / "GT" / f"{name}_{stem}.txt", POINTS, ",")
    return root / "pcd"


@pytest.mark.parametrize(
    ("build", "kinds"),
    [(real3d_tree, {None, "bulge", "sink"}), (shapenet_tree, {None, "bulge", "scratch"})],
)
def test_a_tree_is_recognised_and_read_whole(tmp_path, build, kinds):
    root = build(tmp_path)
    assert recognise(root) == "clouds"
    samples = list(read(root))
    assert len(samples) == 2 * (4 + 3)
    assert len({sample.id for sample in samples}) == len(samples)
    assert {sample.product for sample in samples} == {folder.name for folder in root.iterdir()}
    assert {sample.defect for sample in samples} == kinds
    for sample in samples:
        assert sample.split == ("train" if "template" in sample.id else "test")
        assert np.ptp(sample.cloud.points, axis=0).max() == pytest.approx(0.03, rel=0.01)  # metres
        assert sample.image is not None


@pytest.mark.parametrize("build", [real3d_tree, shapenet_tree])
def test_points_and_labels_of_a_defect_are_those_of_its_rows(tmp_path, build):
    found = [sample for sample in read(build(tmp_path)) if sample.defect is not None]
    assert len(found) == 4
    for sample in found:
        points, labels = sample.cloud.points, sample.cloud.labels
        assert len(points) == len(POINTS) + 1  # as the rows, not as the pcd
        np.testing.assert_allclose(points[:-1][::-1], POINTS, atol=1e-7)
        np.testing.assert_array_equal(labels[:-1][::-1], POINTS[:, 2] > np.quantile(POINTS[:, 2], 0.95))


def test_good_images_have_no_labels_and_a_limit_keeps_the_first_by_name(tmp_path):
    samples = list(read(shapenet_tree(tmp_path), good_limit=2))
    good_images = [s for s in samples if s.defect is None]
    assert sum(s.split == "train" for s in good_images) == 4
    assert all(s.cloud.labels is None for s in good_images)


def test_one_class_alone_may_be_renamed(tmp_path):
    root = real3d_tree(tmp_path) / "car"
    assert {sample.product for sample in read(root, "clouds", product="auto")} == {"auto"}
    assert {sample.defect for sample in read(root, "clouds")} == {None, "bulge", "sink"}


def test_a_defect_without_rows_is_reported_with_what_is_wanted(tmp_path):
    root = real3d_tree(tmp_path)
    (root / "gem" / "gt" / "112_bulge.txt").unlink()
    (problem,) = list_tree(root).errors
    assert "112_bulge.pcd" in str(problem)
    assert "gt/112_bulge.txt" in str(problem)
    with pytest.raises(SourceError, match=r"112_bulge\.pcd: has no labels"):
        next(read(root))


def test_a_folder_of_mixed_files_is_one_product(tmp_path):
    (tmp_path / "deep").mkdir()
    pcd(tmp_path / "a.pcd", 1000 * POINTS)
    np.savetxt(tmp_path / "deep" / "b.xyz", 1000 * POINTS)
    (tmp_path / "LICENSE.txt").write_text("free\n")
    samples = list(read(tmp_path, product="ball"))
    assert [(s.product, s.defect, s.split) for s in samples] == [("ball", None, "train")] * 2
    for sample in samples:
        np.testing.assert_allclose(sample.cloud.points, POINTS, atol=1e-6)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SourceError, match="no point cloud and no mesh"):
        list_tree(empty, "clouds")


def test_images_with_a_mesh_beside_their_folders_are_images(tmp_path):
    folder_tree(tmp_path / "tiles")
    (tmp_path / "tiles" / "part.stl").write_bytes(b"\0" * 84)
    report = inspect(tmp_path / "tiles")
    assert report.layout == "folder"
    assert sum(kind.train for kind in report.kinds) == 10


def test_images_beside_clouds_are_what_they_are_textured_with(tmp_path):
    pcd(tmp_path / "a.pcd", POINTS)
    save(tmp_path / "texture.png", random_image(1))
    assert recognise(tmp_path) == "clouds"


def test_a_text_in_train_makes_a_tree_of_clouds_only_where_there_are_labels(tmp_path):
    for name in ("train/readme.txt", "test/readme.txt"):
        (tmp_path / "tile" / name).parent.mkdir(parents=True)
        (tmp_path / "tile" / name).write_text("photographed in May\n")
    save(tmp_path / "tile" / "train" / "good" / "a.png", random_image(1))
    assert recognise(tmp_path) == recognise(tmp_path / "tile") == "folder"
    root = real3d_tree(tmp_path / "real3d")
    for file in root.glob("*/train/*.pcd"):
        np.savetxt(file.with_suffix(".txt"), 1000 * POINTS)
        file.unlink()
    assert recognise(root) == "clouds"
    assert sum(entry.split == "train" for entry in list_tree(root).entries) == 8


def test_a_readme_is_no_part_of_a_tree_without_labels(tmp_path):
    for name in ("train/a.pcd", "test/a_good.pcd"):
        pcd(tmp_path / name, POINTS)
    (tmp_path / "train" / "readme.txt").write_text("scanned in May\n")
    assert [entry.file.name for entry in list_tree(tmp_path).entries] == ["a_good.pcd", "a.pcd"]


def test_a_run_on_templates_of_real3d_leaves_the_source_as_it_was(tmp_path):
    root = real3d_tree(tmp_path / "real3d")
    before = {path: path.read_bytes() for path in root.rglob("*.*")}
    blocks = {
        "name": "gems",
        "source": {"kind": "clouds", "root": str(root)},
        "generator": {"kind": "dual", "types": ["dent"], "draw_batch": 1},
        "request": {"per_defect": 1},
        "checks": {"min_on_product": 0, "min_area": 1},
        "output": {"format": "ply"},
    }
    assert inspect(root).usable
    finished = run(Recipe.model_validate(blocks), tmp_path / "out")
    assert sorted(sample.product for sample in finished.samples()) == ["car", "gem"]
    assert before == {path: path.read_bytes() for path in root.rglob("*.*")}


def mulsen_tree(root: Path) -> Path:
    """<class>/{RGB, Infrared, Pointcloud}; clouds are meshes, and GT holds the points on the defect alone."""
    ball = trimesh.creation.icosphere(subdivisions=3, radius=15.0)
    for name in ("capsule", "nut"):
        cloud = root / name / "Pointcloud"
        for k in range(3):
            for place in (f"train/{k}", f"test/good/{k}", f"test/hole/{k}", f"test/color/{k}"):
                (cloud / place).parent.mkdir(parents=True, exist_ok=True)
                ball.copy().apply_translation([k + 1.0, 0, 0]).export(cloud / f"{place}.stl")
                for sensor in ("RGB", "Infrared"):
                    save(root / name / sensor / f"{place}.png", random_image(k))
            marked = ball.vertices[ball.vertices[:, 2] > 10] + [k + 1.0, 0, 0]
            (cloud / "GT" / "hole").mkdir(parents=True, exist_ok=True)
            np.savetxt(cloud / "GT" / "hole" / f"{k}.txt", marked, delimiter=",", fmt="%.6f")
        (cloud / "GT" / "hole" / "data.csv").write_text("file,hole\n0,1\n")
    return root


def test_the_tree_of_mulsen_ad_gives_its_clouds_and_says_what_is_left_out(tmp_path):
    root = mulsen_tree(tmp_path)
    assert recognise(root) == "clouds"
    listing = list_tree(root, points=2000)
    assert {(e.product, e.defect, e.split) for e in listing.entries} == {
        (product, defect, split)
        for product in ("capsule", "nut")
        for defect, split in ((None, "train"), (None, "test"), ("hole", "test"))
    }
    assert not listing.errors
    assert "24 of Infrared, 24 of RGB" in listing.notes[0]
    assert {problem.what for problem in listing.problems} == {
        "has 3 clouds of color without any labels, which are not read"
    }
    for sample in read(root, points=2000):
        assert (sample.cloud.labels is not None) == (sample.defect is not None)
        if sample.defect:
            high = sample.cloud.points[:, 2] > 0.010
            assert (sample.cloud.labels == high).mean() > 0.93
            assert sample.cloud.labels[sample.cloud.points[:, 2] < 0.008].sum() == 0


@pytest.mark.parametrize("build", [real3d_tree, shapenet_tree])
def test_clutter_in_a_tree_of_clouds_is_no_data(tmp_path, build):
    root = build(tmp_path / "set")
    plain = [entry.id for entry in list_tree(root).entries]
    for folder in [root, *root.iterdir(), *root.glob("*/train")]:
        for name in ("readme.txt", "license.txt", "LICENSE", "README.md", ".DS_Store", "notes.csv", "Thumbs.db"):
            (folder / name).write_text("see the paper, 2023\n")
        (folder / "@eaDir").mkdir()
        (folder / "@eaDir" / "a.pcd").write_bytes(b"x")
    assert recognise(root) == "clouds"
    assert [entry.id for entry in list_tree(root).entries] == plain
    assert not list_tree(root).errors


def test_anomaly_shapenet_is_found_from_the_folder_above_its_clouds(tmp_path):
    root = shapenet_tree(tmp_path).parent
    (root / "obj" / "cap3").mkdir(parents=True)
    for k in range(5):
        trimesh.creation.box((1, 1, 1)).export(root / "obj" / "cap3" / f"cap3_template{k}.obj")
    assert recognise(root) == "clouds"
    listing = list_tree(root)
    assert {entry.product for entry in listing.entries} == {"ashtray0", "cap3"}
    assert [problem.what for problem in listing.problems] == [
        "holds 5 images, clouds or meshes that are not where such a tree has them, and not read"
    ]


def test_links_have_their_own_names(tmp_path):
    real = real3d_tree(tmp_path / "store")
    (tmp_path / "root").mkdir()
    for name, target in (("bracket", "car"), ("nut", "gem")):
        (tmp_path / "root" / name).symlink_to(real / target)
    listing = list_tree(tmp_path / "root", follow_links=True)
    assert {(entry.product, entry.defect) for entry in listing.entries} == {
        (product, defect) for product in ("bracket", "nut") for defect in (None, "bulge", "sink")
    }
    (tmp_path / "flat" / "v3").mkdir(parents=True)
    pcd(tmp_path / "flat" / "v3" / "a.pcd", POINTS)
    (tmp_path / "flat" / "bottle").symlink_to(tmp_path / "flat" / "v3")
    assert {sample.product for sample in read(tmp_path / "flat" / "bottle")} == {"bottle"}


def test_a_tree_of_real3d_is_in_millimetres_also_where_its_parts_are_small(tmp_path):
    root = real3d_tree(tmp_path)
    for file in root.glob("car/train/*.pcd"):
        pcd(file, 200 * POINTS)  # 6 mm across
    small = [s for s in read(root) if s.product == "car" and s.split == "train"]
    assert {round(1e3 * float(np.ptp(s.cloud.points, axis=0).max())) for s in small} == {6}
    assert {note.text for s in small for note in s.meta["notes"] if note.topic == "unit"} == {
        "is read in mm, as Real3D-AD is"
    }


def test_good_parts_are_labelled_only_where_it_is_asked_for(tmp_path):
    rows = np.column_stack([1000 * POINTS, POINTS[:, 2] > 0])
    np.savetxt(tmp_path / "a.csv", rows, delimiter=",", header="x,y,z,label", comments="")
    (good,) = read(tmp_path)
    assert good.cloud.labels is None
    assert any(note.topic == "labels" for note in good.meta["notes"])
    (asked,) = read(tmp_path, columns=("x", "y", "z", "label"))
    np.testing.assert_array_equal(asked.cloud.labels, POINTS[:, 2] > 0)


@pytest.mark.parametrize("shape", [(400, 3), (20, 20, 3), (400, 6)])
def test_an_array_is_a_cloud_by_its_shape_alone(tmp_path, shape):
    np.save(tmp_path / "a.npy", 1000 * np.resize(POINTS[:400], (400, shape[-1])).reshape(shape))
    np.save(tmp_path / "embedding.npy", np.zeros(768))
    (tmp_path / "broken.npy").write_bytes(b"x")
    assert recognise(tmp_path) == "clouds"
    assert [entry.file.name for entry in list_tree(tmp_path, unit="mm").entries] == ["a.npy"]


def test_arrays_beside_images_are_not_the_data(tmp_path):
    save(tmp_path / "a.png", random_image(1))
    np.save(tmp_path / "b.npy", POINTS)
    assert recognise(tmp_path) == "folder"


def test_an_archive_of_arrays_without_a_clear_name_is_refused_naming_them(tmp_path):
    np.savez(tmp_path / "a.npz", left=1000 * POINTS, right=1000 * POINTS)
    with pytest.raises(SourceError, match=r"several arrays that may be the points: left float32 \(600, 3\), right"):
        list(read(tmp_path))
    np.savez(tmp_path / "a.npz", mesh_scan=1000 * POINTS, id=np.arange(3))
    (sample,) = read(tmp_path)
    np.testing.assert_allclose(sample.cloud.points, POINTS, atol=1e-7)
