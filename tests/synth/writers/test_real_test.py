"""What a detector is tested with: good test images in every tree, and the real test set where it is asked for."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from synth import generators
from synth.checks.ledger import read_ledger
from synth.io.images import content_hash, read_image
from synth.io.points import ply_bytes
from synth.io.tiff import xyz_bytes
from synth.pipeline.preparation import silent
from synth.pipeline.runs import Run, export, run
from synth.pipeline.verify import verify
from synth.recipe import Recipe
from synth.sources import read
from synth.sources.listing import reopen
from tests.synth.blobs import BLOBS, BlobGenerator, given, recipe_for, tree, write_source
from tests.synth.dual.scans import ball_cloud, plate

TREES = ("mvtec_3d", "anomaly_shapenet", "real3d_ad", "ply")


def flat(tmp_path: Path, **output: object) -> Run:
    """A run on images of which a third is kept for testing."""
    root = write_source(tmp_path / "source", good_images=9, shots=6)
    source = {"kind": "folder", "root": str(root), "product": "tile", "test_fraction": 0.34}
    recipe = recipe_for(root, request={"per_defect": 2}, output=output).model_dump() | {"source": source}
    return run(Recipe.model_validate(recipe), tmp_path / "run")


@pytest.fixture(autouse=True)
def _blobs(monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)


def contents(folder: Path) -> dict[str, list[str]]:
    """Content hash of every image below a folder -> where it is."""
    found = defaultdict(list)
    for file in sorted(folder.rglob("*.png")):
        if not file.stem.endswith("_mask"):
            found[content_hash(read_image(file))].append(file.relative_to(folder).as_posix())
    return found


def test_a_tree_has_good_test_images_and_no_image_in_two_splits(tmp_path):
    finished = flat(tmp_path, format="mvtec")
    rows = {row.sha256: row for row in read_ledger(finished.folder.ledger)}
    places = contents(finished.folder.data)
    assert all(len(names) == 1 for names in places.values())
    for sha256, (name,) in places.items():
        if sha256 in rows:
            assert name.split("/")[1:3] == [{"good": "train"}.get(rows[sha256].role, "test"), "good"]
    assert sum("/test/good/" in names[0] for names in places.values()) == 3
    assert not list(finished.folder.data.glob("tile/ground_truth/good"))
    again = {(sample.split, sample.defect) for sample in read(finished.folder.data, "mvtec_ad")}
    assert {("train", None), ("test", None), ("test", "crack")} <= again


def test_the_real_test_set_is_carried_whole_and_marked(tmp_path):
    finished = flat(tmp_path, format=["mvtec", "parquet"], real_test=True)
    places = contents(finished.folder.data)
    tested = [row for row in read_ledger(finished.folder.ledger) if row.role == "test"]
    assert len(tested) == 7
    for row in tested:
        (name,) = places[row.sha256]
        kind = "good" if row.defect is None else f"real_{row.defect}"
        assert name.startswith(f"tile/test/{kind}/")
        if row.defect is not None:
            mask = finished.folder.data / f"tile/ground_truth/{kind}/{Path(name).stem}_mask.png"
            assert np.asarray(Image.open(mask))[5:15, 20:31].all()
    learnt = {names[0].split("/")[2] for names in places.values() if "/test/" in names[0]}
    assert learnt == {"good", "crack", "stain", "real_crack", "real_stain"}
    from datasets import load_dataset

    files = {split: str(finished.folder.data / f"{split}-*.parquet") for split in ("train", "test")}
    data = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert {content_hash(np.asarray(image)) for image in data["test"]["image"]} == {row.sha256 for row in tested}
    assert data["test"]["seed"][:] == [None] * 7
    assert {origin["kind"] for origin in data["test"]["provenance"]} == {"real"}
    assert data["test"].features == data["train"].features
    assert verify(finished.path, silent).whole


def test_the_real_test_set_may_be_asked_for_later_and_outlives_the_source(tmp_path):
    plain = flat(tmp_path, format=["mvtec", "parquet"])
    assert not list(plain.folder.data.glob("test-*.parquet"))
    assert not list(plain.folder.data.glob("tile/test/real_*"))
    asked = flat(tmp_path, format=["mvtec", "parquet"], real_test=True)
    (tmp_path / "source").rename(tmp_path / "gone")
    for name in ("mvtec", "parquet"):
        export(asked.path, name, tmp_path / name)
    both = tree(tmp_path / "mvtec") | tree(tmp_path / "parquet")
    assert both == {name[5:]: content for name, content in tree(asked.path).items() if name.startswith("data/")}


def test_pixels_of_test_images_never_reach_a_generator(tmp_path, monkeypatch):
    seen = []

    class Spy(BlobGenerator):
        def fit(self, shots, good_images, progress=None):
            seen.extend(content_hash(reopen(sample).image) for sample in [*shots, *good_images])
            super().fit(shots, good_images, progress)

    monkeypatch.setitem(generators.GENERATORS, "seas", given(Spy))
    finished = flat(tmp_path, format="mvtec", real_test=True)
    rows = read_ledger(finished.folder.ledger)
    assert set(seen) == {row.sha256 for row in rows if row.role in ("shot", "good")}
    made = {content_hash(sample.image) for sample in finished.samples()}
    assert not made & {row.sha256 for row in rows}


def test_a_run_says_what_its_dataset_lacks(tmp_path):
    root = write_source(tmp_path / "source")
    made = run(recipe_for(root, request={"per_defect": 1}), tmp_path / "run")
    assert any("no good images of tile are kept for testing" in line for line in made.inferred)
    assert not any("kept for testing" in line for line in flat(tmp_path / "other", format="mvtec").inferred)


def solid(tmp_path: Path, kind: str, name: str) -> Path:
    """An export of a run on scans or clouds of which one is kept for testing."""
    root = tmp_path / "source"
    for k in range(3):
        part = "test" if k == 2 else "train"
        if kind == "mvtec_3d":
            scan, place = plate(61, 83, seed=k), root / part / "good"
            (place / "rgb").mkdir(parents=True, exist_ok=True)
            (place / "xyz").mkdir(exist_ok=True)
            Image.fromarray(scan.image).save(place / "rgb" / f"{k}.png")
            (place / "xyz" / f"{k}.tiff").write_bytes(xyz_bytes(scan.xyz))
        else:
            place = root / "ball" / part
            place.mkdir(parents=True, exist_ok=True)
            stem = f"ball_positive{k}" if part == "test" else f"ball_template{k}"
            (place / f"{stem}.ply").write_bytes(ply_bytes(ball_cloud(900 + 100 * k, seed=k).cloud))
    blocks = {
        "source": {"kind": kind, "root": str(root)},
        "generator": {"kind": "dual", "types": ["dent"]},
        "request": {"per_defect": 1},
        "output": {"format": name},
    }
    return run(Recipe.model_validate(blocks), tmp_path / "run").folder.data


@pytest.mark.parametrize(
    ("kind", "name", "wanted"),
    [
        ("mvtec_3d", "mvtec_3d", "*/test/good/rgb/000.png"),
        ("clouds", "anomaly_shapenet", "ball/test/ball_positive0.pcd"),
        ("clouds", "real3d_ad", "ball/test/0_good.pcd"),
        ("clouds", "ply", "ball/test/good/*.ply"),
    ],
)
def test_every_tree_of_geometry_has_good_test_samples(kind, name, wanted, tmp_path):
    data = solid(tmp_path, kind, name)
    assert len(list(data.glob(wanted))) == 1
    if name == "mvtec_3d":
        (blank,) = data.glob("*/test/good/gt/000.png")
        assert np.asarray(Image.open(blank)).shape == (61, 83)
        assert not np.asarray(Image.open(blank)).any()
        (xyz,) = data.glob("*/test/good/xyz/000.tiff")
        np.testing.assert_array_equal(tifffile.imread(xyz), plate(61, 83, seed=2).xyz)
    if name != "ply":
        again = list(read(data, unit="m" if name != "real3d_ad" else "mm") if kind == "clouds" else read(data))
        assert [sample.defect for sample in again if sample.split == "test"].count(None) == 1
