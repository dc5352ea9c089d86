"""Miniature trees of Eyecandies and MVTec 3D-AD, and scans that cannot be used."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from synth.dual.synthesizer import DualSynthesizer
from synth.errors import SourceError
from synth.io.camera import fit_camera
from synth.io.tiff import xyz_bytes
from synth.pipeline.inspect import inspect
from synth.sources import list_tree, read, recognise
from synth.sources.listing import reopen
from synth.sources.scans import read_scan
from tests.synth.dual.scans import plate
from tests.synth.trees import random_image, save

SIZE = (96, 128)
NEAR, FAR = 0.31, 0.73


def depth_steps(seed: int) -> np.ndarray:
    """16-bit depth: a dome 60 mm high on a floor, and some pixels that did not return."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    dome = np.clip(1 - ((rows - 48) ** 2 + (columns - 60 - seed) ** 2) / 30**2, 0, None)
    steps = np.rint((0.66 - 0.06 * np.sqrt(dome) - NEAR) / (FAR - NEAR) * 65535).astype(np.uint16)
    steps[:3, :4] = 0
    return steps


def eyecandies_item(folder: Path, stem: str, seed: int, masks: dict[str, bool] | None = None) -> None:
    """The 6 images, depth, its range, and the masks of one sample (`masks`: which of them mark something)."""
    for light in range(6):
        save(folder / f"{stem}_image_{light}.png", random_image(10 * seed + light, *SIZE))
    Image.fromarray(depth_steps(seed)).save(folder / f"{stem}_depth.png")
    (folder / f"{stem}_info_depth.yaml").write_text(yaml.safe_dump({"normalization": {"min": NEAR, "max": FAR}}))
    (folder / f"{stem}_metadata.yaml").write_text(yaml.safe_dump({"anomalous": int(any((masks or {}).values()))}))
    if masks is not None:
        spot = np.zeros(SIZE, bool)
        spot[40:52, 50:66] = True
        for kind, marks in masks.items():
            save(folder / f"{stem}_{kind}_mask.png", spot & marks)
        save(folder / f"{stem}_mask.png", spot & any(masks.values()))


def eyecandies_tree(root: Path) -> Path:
    data = root / "ChocolateCookie" / "train" / "data"
    for k in range(3):
        eyecandies_item(data, f"{k:03}", k)
    data = root / "ChocolateCookie" / "test_public" / "data"
    blank = dict.fromkeys(("bumps", "dents", "colors", "normals"), False)
    for k, changes in enumerate(({}, {"dents": True}, {"bumps": True, "colors": True})):
        eyecandies_item(data, f"{k:02}", 5 + k, {**blank, **changes})
    return root


def test_eyecandies_gives_image_and_cloud_of_each_sample_and_the_type_of_its_defect(tmp_path):
    root = eyecandies_tree(tmp_path)
    assert recognise(root) == "eyecandies"
    samples = {sample.id: sample for sample in read(root)}
    kinds = {name.removeprefix("ChocolateCookie/"): sample.defect for name, sample in samples.items()}
    assert kinds == {
        **{f"train/{k:03}": None for k in range(3)},
        "test_public/00": None,
        "test_public/01": "dents",
        "test_public/02": "combined",
    }
    for sample in samples.values():
        assert sample.product == "ChocolateCookie"
        assert sample.mask.any() == (sample.defect is not None)
    shown = np.asarray(Image.open(tmp_path / "ChocolateCookie" / "train" / "data" / "001_image_4.png"))
    np.testing.assert_array_equal(samples["ChocolateCookie/train/001"].image, shown)


def test_eyecandies_depth_is_in_metres_on_the_documented_rays(tmp_path):
    sample = next(s for s in read(eyecandies_tree(tmp_path)) if s.split == "train")
    steps = depth_steps(0)
    depth = steps / 65535 * (FAR - NEAR) + NEAR
    depth[steps == 0] = 0
    np.testing.assert_allclose(sample.xyz[..., 2], depth, atol=1e-6)
    assert not sample.xyz[steps == 0].any()
    camera, error = fit_camera(sample.xyz, sample.xyz[..., 2] > 0)
    assert error < 0.01
    assert (camera.fx, camera.fy) == pytest.approx((128 * 50 / 36,) * 2, rel=1e-4)
    assert (camera.cx, camera.cy) == pytest.approx((64, 48), abs=0.01)


def test_a_dent_can_be_drawn_on_an_eyecandies_sample(tmp_path):
    sample = next(s for s in read(eyecandies_tree(tmp_path)) if s.split == "train")
    made = DualSynthesizer("dent").draw(sample, seed=2)
    assert made.mask.any()
    assert not made.xyz[sample.xyz[..., 2] == 0].any()


def test_the_archive_of_eyecandies_with_what_lies_in_it_is_read_by_the_names_of_its_links(tmp_path):
    store = eyecandies_tree(tmp_path / "store")
    data = store / "ChocolateCookie" / "train" / "data"
    for k in range(3):
        save(data / f"{k:03}_normals.png", random_image(k, *SIZE))
        (data / f"{k:03}_pose.txt").write_text("1 0 0 0")
        (data / f"{k:03}_obj_params.yaml").write_text("a: 1")
    eyecandies_item(store / "ChocolateCookie" / "test_private" / "data", "00", 9)
    root = tmp_path / "root"
    root.mkdir()
    shutil.copytree(store / "ChocolateCookie", root / ".v3")
    (root / "Cookie").symlink_to(root / ".v3")
    for place in (root, data):
        for name in ("readme.txt", "license.txt", "Thumbs.db", "desktop.ini", ".DS_Store"):
            (place / name).write_bytes(b"x")
    listing = list_tree(root)
    assert not listing.problems
    assert {entry.product for entry in listing.entries} == {"Cookie"}
    assert len(listing.entries) == 6


EYECANDIES = {
    "no image": (lambda d: (d / "000_image_4.png").unlink(), r"000_depth\.png: has no image; wanted .*000_image_4"),
    "no range": (lambda d: (d / "001_info_depth.yaml").unlink(), r"001_depth\.png has no 001_info_depth\.yaml beside"),
    "wrong range": (lambda d: (d / "001_info_depth.yaml").write_text("normalization: {min: 1}"), "does not give norm"),
    **{
        f"range of {text}": (lambda d, text=text: (d / "001_info_depth.yaml").write_text(text), words)
        for text, words in {
            "normalization: {min: .nan, max: 1.0}": r"001_info_depth\.yaml gives depths from nan to 1",
            "normalization: {min: 0.1, max: .inf}": r"001_info_depth\.yaml gives depths from 0\.1 to inf",
            "normalization: {min: 0.9, max: 0.1}": r"001_info_depth\.yaml gives depths from 0\.9 to 0\.1",
            "normalization: {min: 310, max: 730}": r"001_depth\.png: a median depth of .* cannot be metres",
            "normalization: [1, 2]": "does not give normalization",
            "normalization: {min: a, max: b}": "does not give normalization",
            "[" * 3000: r"001_info_depth\.yaml:1: is nested more than 32 deep; copy it again",
            "a: &a [*a]": r"001_info_depth\.yaml:1: \*a lies in the part",
        }.items()
    },
    "no return": (
        lambda d: Image.fromarray(np.zeros(SIZE, np.uint16)).save(d / "000_depth.png"),
        r"000_depth\.png holds no point at all",
    ),
    "few returns": (
        lambda d: Image.fromarray((np.arange(96 * 128) < 9).astype(np.uint16).reshape(SIZE) * 9).save(
            d / "000_depth.png"
        ),
        r"000_depth\.png holds 9 points, wanted at least 100",
    ),
    "depth in colour": (lambda d: save(d / "000_depth.png", random_image(1, *SIZE)), "wanted one channel of 16 bits"),
    "another size": (
        lambda d: save(d / "002_image_4.png", random_image(1, 60, 80)),
        r"is 96 x 128 .*its image .*60 x 80",
    ),
}


@pytest.mark.parametrize("name", EYECANDIES)
def test_a_broken_eyecandies_tree_is_refused_with_file_and_remedy(tmp_path, name):
    breaks, words = EYECANDIES[name]
    breaks(eyecandies_tree(tmp_path) / "ChocolateCookie" / "train" / "data")
    with pytest.raises(SourceError, match=words):
        list(read(tmp_path))


def mvtec_3d_tree(root: Path, truth: str = "gt") -> Path:
    """bagel/{train, validation, test}/<kind>/{rgb, xyz, gt}."""
    for k, place in enumerate(("train/good", "train/good", "validation/good", "test/good", "test/hole")):
        scan = plate(61, 83, seed=k)
        folder = root / "bagel" / place
        save(folder / "rgb" / f"{k:03}.png", scan.image)
        (folder / "xyz").mkdir(parents=True, exist_ok=True)
        (folder / "xyz" / f"{k:03}.tiff").write_bytes(xyz_bytes(scan.xyz))
        if place.startswith("test"):
            mask = np.zeros((61, 83), bool)
            mask[20:30, 30:45] = place.endswith("hole")
            save(folder / truth / f"{k:03}.png", mask)
    return root


@pytest.mark.parametrize("truth", ["gt", "ground_truth"])
def test_the_mvtec_3d_tree_is_read_with_roles_and_masks(tmp_path, truth):
    root = mvtec_3d_tree(tmp_path, truth)
    assert recognise(root) == "mvtec_3d"
    samples = list(read(root))
    kinds = [(s.split, s.defect, int(s.mask.sum())) for s in samples]
    assert kinds == [("test", None, 0), ("test", "hole", 150), *[("train", None, 0)] * 3]
    np.testing.assert_array_equal(samples[1].xyz, plate(61, 83, seed=4).xyz)


def test_a_scan_whose_neighbour_is_missing_is_reported_with_what_is_wanted(tmp_path):
    root = mvtec_3d_tree(tmp_path)
    (root / "bagel" / "train" / "good" / "xyz" / "001.tiff").unlink()
    (root / "bagel" / "test" / "hole" / "gt" / "004.png").unlink()
    found = [str(problem) for problem in list_tree(root).errors]
    assert any("rgb/001.png: has no cloud; wanted" in text and "xyz/001.tiff" in text for text in found)
    assert any("rgb/004.png: has no mask; wanted" in text and "gt/004.png" in text for text in found)
    assert len(found) == 2


def test_good_scans_alone_are_usable_and_no_shots_are_asked_for(tmp_path):
    root = mvtec_3d_tree(tmp_path)
    shutil.rmtree(root / "bagel" / "test")
    report = inspect(root)
    assert report.usable
    assert "shows no defect" not in str(report)
    assert "3 scans in m; parts of" in str(report)
    assert not report.ignored


def test_scans_that_were_let_go_come_back_with_their_points(tmp_path):
    for sample in read(mvtec_3d_tree(tmp_path)):
        again = reopen(replace(sample, image=None, mask=None, xyz=None))
        for name in ("image", "mask", "xyz"):
            np.testing.assert_array_equal(getattr(again, name), getattr(sample, name))


def few_returns() -> np.ndarray:
    xyz = np.zeros((61, 83, 3), np.float32)
    xyz[:3, :3] = 0.3
    return xyz


SCANS = {
    "no return at all": (lambda: np.zeros((61, 83, 3), np.float32), "holds no point at all; scan it again"),
    "few returns": (few_returns, "holds 9 points, wanted at least 100"),
    "beyond float32": (lambda: plate().xyz.astype(np.float64) * 1e300, "does not go with its product's other scans"),
    "complex numbers": (lambda: plate().xyz.astype(np.complex64), "is complex64 .*, wanted height x width x 3"),
    "depth alone": (lambda: plate().xyz[..., 2], "holds one depth a pixel; give the camera as source.camera"),
    "centimetres": (lambda: plate().xyz * 100, r"a median depth of 29 does not go with its product's other scans"),
    "another size than the image": (lambda: plate(50, 70).xyz, "is 50 x 70 .*its image .*61 x 83"),
}


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_that_cannot_be_used_stops_the_read_with_its_name(tmp_path, name):
    build, words = SCANS[name]
    root = mvtec_3d_tree(tmp_path)
    path = root / "bagel" / "train" / "good" / "xyz" / "001.tiff"
    tifffile.imwrite(path, build())
    with pytest.raises(SourceError, match=words) as raised:
        list(read(root))
    assert "001.tiff" in str(raised.value)


def test_a_file_that_is_no_tiff_is_refused(tmp_path):
    (tmp_path / "a.tiff").write_bytes(b"II*\0 and then nothing")
    with pytest.raises(SourceError, match=r"a\.tiff cannot be read as a TIFF"):
        read_scan(tmp_path / "a.tiff")
    (tmp_path / "a.tiff").write_bytes(xyz_bytes(plate().xyz)[:700])
    with pytest.raises(SourceError, match=r"a\.tiff cannot be read as a TIFF"):
        read_scan(tmp_path / "a.tiff")


def test_a_mask_of_eyecandies_that_cannot_be_read_is_reported_with_the_rest(tmp_path):
    data = eyecandies_tree(tmp_path) / "ChocolateCookie" / "test_public" / "data"
    (data / "01_mask.png").write_bytes(b"no image")
    (data / "02_bumps_mask.png").write_bytes((data / "02_bumps_mask.png").read_bytes()[:60])
    found = [problem.file for problem in inspect(tmp_path).problems if problem.severity == "error"]
    assert any("01_mask.png" in file for file in found)
    assert any("02_bumps_mask.png" in file or "02_mask.png" in file for file in found)


@pytest.mark.parametrize("compression", ["zlib", "lzma"])
def test_a_tiff_that_inflates_beyond_its_size_is_refused(tmp_path, compression):
    xyz = np.zeros((61, 83, 3), np.float32)
    if compression == "lzma":
        tifffile.imwrite(tmp_path / "a.tiff", xyz, photometric="rgb", compression="lzma")
    else:
        tifffile.imwrite(
            tmp_path / "a.tiff", np.zeros((6100, 83, 3), np.float32), compression="zlib", rowsperstrip=6100
        )
        with tifffile.TiffFile(tmp_path / "a.tiff", mode="r+") as file:
            for tag in ("ImageLength", "RowsPerStrip"):
                file.pages[0].tags[tag].overwrite(61)
    with pytest.raises(SourceError, match=r"a\.tiff cannot be read as a TIFF \((a strip holds more|its compression)"):
        read_scan(tmp_path / "a.tiff")
