"""From a folder of scans to a dataset: the recipe, resume, regenerate, writers and the page."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import tifffile
from PIL import Image

from synth.io.geometry import packed_masks, read_masks
from synth.io.points import npz_bytes, pcd_bytes, ply_bytes, read_ply, read_points
from synth.io.tiff import xyz_bytes
from synth.pipeline.regenerate import regenerate
from synth.pipeline.runs import Run, export, run
from synth.recipe import Recipe
from synth.sample import InstanceMasks
from synth.sources import read, recognise
from synth.sources.scans import read_scan
from tests.synth.dual.scans import ball_cloud, plate
from tests.synth.trees import save

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DEFECTS = {
    "dent": {"scale": "none", "radius_mm": [8, 12], "amp_mm": [1, 2]},
    "stain": {"scale": "none", "radius_mm": [6, 12]},
}


def write_scans(root, count=3):
    """train/good/{rgb, xyz} of one product."""
    for k in range(count):
        scan = plate(61, 83, seed=k)
        save(root / "train" / "good" / "rgb" / f"{k:03}.png", scan.image)
        (root / "train" / "good" / "xyz").mkdir(parents=True, exist_ok=True)
        (root / "train" / "good" / "xyz" / f"{k:03}.tiff").write_bytes(xyz_bytes(scan.xyz))
    return root


def recipe_for(root, kind="mvtec_3d", **changes):
    blocks = {
        "name": "plates",
        "source": {"kind": kind, "root": str(root), "product": "plate"},
        "generator": {"kind": "dual", "types": list(DEFECTS), "defects": DEFECTS, "draw_batch": 2},
        "request": {"per_defect": 2},
        "checks": {"min_on_product": 0},
        "output": {"format": "mvtec_3d"},
        **changes,
    }
    return Recipe.model_validate(blocks)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rgbd")
    return run(recipe_for(write_scans(folder / "scans")), folder / "out")


def test_a_run_makes_the_mvtec_3d_tree(finished):
    data = finished.folder.data / "plate"
    names = json.loads((finished.folder.data / "names.json").read_text())
    for defect in DEFECTS:
        place = data / "test" / defect
        for k in range(2):
            rgb = np.asarray(Image.open(place / "rgb" / f"{k:03}.png"))
            xyz, gt = (
                tifffile.imread(place / "xyz" / f"{k:03}.tiff"),
                np.asarray(Image.open(place / "gt" / f"{k:03}.png")),
            )
            assert rgb.shape[:2] == xyz.shape[:2] == gt.shape == (61, 83)
            assert xyz.dtype == np.float32
            assert set(np.unique(gt)) == {0, 255}
            assert names[f"plate/test/{defect}/rgb/{k:03}.png"].startswith(f"plate-{defect}-")
    assert len(list((data / "train" / "good" / "xyz").glob("*.tiff"))) == 3
    assert recognise(finished.folder.data) == "mvtec_3d"
    again = list(read(finished.folder.data))
    assert sum(sample.defect is None for sample in again) == 3
    assert all(sample.xyz is not None for sample in again)


def test_samples_come_back_with_geometry_and_what_is_known(finished):
    for sample in finished.samples():
        assert sample.xyz.shape == (61, 83, 3)
        masks = sample.provenance.masks
        assert np.array_equal(masks.geometry | masks.image, sample.mask)
        assert sample.provenance.instances[0].type == sample.defect


def test_a_sample_regenerates_to_the_same_bytes(finished):
    assert regenerate(finished.path, finished.manifest[-1].id).equal
    path = finished.manifest[0].path(finished.path, "xyz")
    kept = path.read_bytes()
    path.write_bytes(kept[:-1] + b"x")
    assert "xyz" in str(regenerate(finished.path, finished.manifest[0].id))
    path.write_bytes(kept)


def test_a_run_opens_again_and_exports_as_clouds(finished, tmp_path):
    assert Run(finished.path).manifest == finished.manifest
    export(finished.path, "ply", tmp_path / "ply")
    cloud = read_ply(next((tmp_path / "ply" / "plate" / "dent").glob("*.ply")))
    assert 0 < cloud.labels.mean() < 0.5
    export(finished.path, "anomaly_shapenet", tmp_path / "shapenet")
    rows = np.loadtxt(tmp_path / "shapenet" / "plate" / "GT" / "plate_dent0.txt", delimiter=",")
    read_back = read_points(tmp_path / "shapenet" / "plate" / "test" / "plate_dent0.pcd", 10**6, "m")
    assert np.allclose(rows[:, :3], read_back.points, atol=1e-7)
    assert set(np.unique(rows[:, 3])) == {0, 1}


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
def test_a_browser_shows_the_cloud_and_turns_it(finished, tmp_path):
    page = (finished.folder.report / "index.html").read_text()
    assert "://" not in page
    drag = """<script>addEventListener("load", () => {
      const c = document.querySelector("#turn canvas");
      c.dispatchEvent(new PointerEvent("pointerdown", { clientX: 10, clientY: 10 }));
      dispatchEvent(new PointerEvent("pointermove", { clientX: 60, clientY: 30 }));
    });</script>"""
    turned = finished.folder.report / "turned.html"
    turned.write_text(page.replace("</body>", drag + "</body>"))
    address = f"file://{turned}#open={finished.manifest[0].id}"
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000"]
    command += [f"--user-data-dir={tmp_path}", "--dump-dom", address]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    shown = re.search(r'data-points="(\d+)" data-defect="(\d+)" data-yaw="([\d.]+)"', dom)
    assert shown
    assert int(shown[1]) > 500
    assert 0 < int(shown[2]) < int(shown[1])
    assert shown[3] == "1.000"


def test_clouds_survive_their_files(tmp_path):
    cloud = ball_cloud(500).cloud
    for suffix, content in ((".ply", ply_bytes(cloud)), (".pcd", pcd_bytes(cloud)), (".npz", npz_bytes(cloud))):
        path = tmp_path / f"ball{suffix}"
        path.write_bytes(content)
        assert np.array_equal(read_points(path, 500, "m").points, cloud.points)


def test_an_organised_cloud_survives_its_file_and_millimetres_become_metres(tmp_path):
    xyz = plate().xyz
    (tmp_path / "a.tiff").write_bytes(xyz_bytes(xyz))
    assert np.array_equal(read_scan(tmp_path / "a.tiff").xyz, xyz)
    (tmp_path / "b.tiff").write_bytes(xyz_bytes(xyz * 1000))
    assert np.allclose(read_scan(tmp_path / "b.tiff").xyz, xyz, atol=1e-6)


def test_masks_survive_packing(tmp_path):
    rng = np.random.default_rng(0)
    geometry, image, core = rng.random((3, 7, 9)) > 0.5
    masks = InstanceMasks(rng.integers(0, 5, (7, 9)).astype(np.int16), geometry, image, core)
    Image.fromarray(packed_masks(masks)).save(tmp_path / "m.png")
    read = read_masks(tmp_path / "m.png")
    for name in ("number", "geometry", "image", "core"):
        assert np.array_equal(getattr(read, name), getattr(masks, name))
