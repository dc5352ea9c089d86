"""The trees of public archives as they unpack, readme and licence files included, with whatever else lies in such
folders on a disk: every reader sees the data, all of it and nothing else, and no image or cloud is left out without a
word."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synth.cli.main import app
from synth.pipeline.inspect import inspect
from synth.recipe import load_recipe
from synth.recipe.starter import write_starter
from synth.sources import list_source, list_tree, read, recognise
from synth.split import make_split
from tests.synth.sources.test_cloud_trees import POINTS, pcd, real3d_tree, shapenet_tree
from tests.synth.sources.test_rgbd_trees import eyecandies_item, eyecandies_tree, mvtec_3d_tree
from tests.synth.trees import folder_tree, mvtec_tree, random_image, save

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
"""How a file begins that macOS puts beside another, under the other's name with ._ before it."""
IMAGES = (".png", ".jpg", ".tiff")


def put_texts(*folders: Path) -> set[Path]:
    files = {folder / name for folder in folders for name in ("readme.txt", "license.txt")}
    for file in files:
        file.write_text("Attribution-NonCommercial-ShareAlike 4.0\n")
    return files


def mvtec_ad_archive(root: Path) -> Path:
    for product in ("bottle", "cable"):
        put_texts(mvtec_tree(root / product))
    put_texts(root)
    return root


def mvtec_3d_archive(root: Path) -> Path:
    calibration = mvtec_3d_tree(root) / "bagel" / "calibration"
    calibration.mkdir()
    (calibration / "camera_parameters.json").write_text("{}")
    put_texts(root, root / "bagel")
    return root


def eyecandies_archive(root: Path) -> Path:
    cookie = eyecandies_tree(root) / "ChocolateCookie"
    eyecandies_item(cookie / "val" / "data", "000", 8)
    eyecandies_item(cookie / "test_private" / "data", "000", 9)
    for depth in list(cookie.glob("*/data/*_depth.png")):
        save(depth.with_name(depth.name.replace("depth", "normals")), random_image(11))
    return root


def one_class(build: Callable[[Path], Path], name: str) -> Callable[[Path], Path]:
    """The tree that `build` makes, with one class and one template: each cloud takes a while to read."""

    def made(root: Path) -> Path:
        root = build(root)
        for folder in root.iterdir():
            if folder.name != name:
                shutil.rmtree(folder)
        for file in sorted((root / name / "train").iterdir())[1:]:
            file.unlink()
        return root

    return made


@dataclass(frozen=True)
class Tree:
    """An archive in small. `data`: patterns of the files that samples are read from. `product` and `leaf`: a product's
    folder, and one that holds data of it, below the root. `anywhere`: its layout takes images wherever they lie."""

    layout: str
    build: Callable[[Path], Path]
    data: tuple[str, ...]
    product: str
    leaf: str
    learns: bool = False
    anywhere: bool = False


TREES = {
    "MVTec AD": Tree(
        "mvtec_ad",
        mvtec_ad_archive,
        ("*/train/good/*.png", "*/test/*/*.png"),
        "bottle",
        "bottle/train/good",
        learns=True,
    ),
    "MVTec 3D-AD": Tree("mvtec_3d", mvtec_3d_archive, ("*/*/*/rgb/*.png",), "bagel", "bagel/train/good/rgb"),
    "Eyecandies": Tree(
        "eyecandies",
        eyecandies_archive,
        tuple(f"*/{split}/data/*_image_4.png" for split in ("train", "val", "test_public")),
        "ChocolateCookie",
        "ChocolateCookie/train/data",
    ),
    "Real3D-AD": Tree(
        "clouds",
        one_class(real3d_tree, "car"),
        ("*/train/*.pcd", "*/test/*_good.pcd", "*/gt/*.txt"),
        "car",
        "car/train",
    ),
    "Anomaly-ShapeNet": Tree(
        "clouds",
        one_class(shapenet_tree, "cap3"),
        ("*/train/*.pcd", "*/test/*_positive*.pcd", "*/GT/*.txt"),
        "cap3",
        "cap3/train",
    ),
    "folder": Tree(
        "folder",
        folder_tree,
        ("good/*.jpg", "defect/*/*[0-9].png"),
        "defect",
        "good",
        learns=True,
        anywhere=True,
    ),
}
ARCHIVES = [name for name, tree in TREES.items() if not tree.anywhere]


@dataclass
class Clutter:
    """What was put into a tree: files that are named in a problem, and files that `inspect` counts as ignored."""

    named: Iterable[Path] = ()
    counted: Iterable[Path] = ()


Put = Callable[[Path, Tree], Clutter]


def texts(root: Path, tree: Tree) -> Clutter:
    (root / tree.product / "notes" / "old").mkdir(parents=True)
    return Clutter(counted=put_texts(root, root / tree.product, root / tree.product / "notes" / "old"))


def texts_beside_data(root: Path, tree: Tree) -> Clutter:
    files = put_texts(root / tree.leaf)
    # Clouds may be text too, where a tree has labels.
    return Clutter(named=files if tree.layout == "clouds" else (), counted=files)


def hidden_files(root: Path, tree: Tree) -> Clutter:
    for folder in (root, root / tree.product, root / tree.leaf):
        for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
            (folder / name).write_bytes(b"\0" * 64)
        for file in [folder / "000.png", folder / "a.pcd", *filter(Path.is_file, list(folder.iterdir()))]:
            file.with_name(f"._{file.name}").write_bytes(APPLE_DOUBLE)
    return Clutter()


def empty_folders(root: Path, tree: Tree) -> Clutter:
    for folder in (root, root / tree.product, root / tree.leaf):
        (folder / "empty" / "deep").mkdir(parents=True)
    return Clutter()


def mac_folder(place: Path) -> None:
    """The folder that macOS puts into archives, with an AppleDouble file for every other."""
    for file in [path for path in place.rglob("*") if path.is_file()]:
        double = place / "__MACOSX" / file.relative_to(place).with_name(f"._{file.name}")
        double.parent.mkdir(parents=True, exist_ok=True)
        double.write_bytes(APPLE_DOUBLE)


def mac_folder_beside_the_products(root: Path, tree: Tree) -> Clutter:
    mac_folder(root)
    return Clutter()


def mac_folder_in_a_product(root: Path, tree: Tree) -> Clutter:
    mac_folder(root / tree.product)
    return Clutter()


def thumbnails_of_a_file_server(root: Path, tree: Tree) -> Clutter:
    for folder in (root, root / tree.leaf):
        save(folder / "@eaDir" / "000.png" / "SYNOPHOTO_THUMB_M.jpg", random_image(900))
    return Clutter()


def image_at(place: str) -> Put:
    """One image at a place, in which {product} and {leaf} stand for the tree's."""

    def put(root: Path, tree: Tree) -> Clutter:
        file = root / place.format(product=tree.product, leaf=tree.leaf)
        return Clutter(named=[save(file, random_image(901))])

    return put


def cloud_at(place: str) -> Put:
    def put(root: Path, tree: Tree) -> Clutter:
        file = pcd(root / place.format(product=tree.product, leaf=tree.leaf), POINTS)
        return Clutter(named=[file] if tree.layout == "clouds" else (), counted=[file])

    return put


def copy_of_a_part(root: Path, tree: Tree) -> Clutter:
    old = root / tree.product / "old" / "train"
    shutil.copytree(root / tree.product / "train", old)
    files = [path for path in old.rglob("*") if path.is_file()]
    named = [file for file in files if file.suffix in (*IMAGES, ".pcd")]
    return Clutter(named, [file for file in files if file.suffix not in IMAGES])


UNSEEN: dict[str, Put] = {
    "nothing": lambda root, tree: Clutter(),
    "texts": texts,
    "texts beside data": texts_beside_data,
    "hidden files": hidden_files,
    "empty folders": empty_folders,
    "__MACOSX beside the products": mac_folder_beside_the_products,
    "__MACOSX in a product": mac_folder_in_a_product,
    "thumbnails of a file server": thumbnails_of_a_file_server,
}
STRAYS: dict[str, Put] = {
    "image in the root": image_at("overview.png"),
    "image in a folder beside the products": image_at("docs/overview.jpg"),
    "image in a product": image_at("{product}/000.png"),
    "depth image in a product": image_at("{product}/000_depth.png"),
    "image in train": image_at("{product}/train/000.jpg"),
    "image in test": image_at("{product}/test/000.png"),
    "image in ground_truth": image_at("{product}/ground_truth/000_mask.png"),
    "image in calibration": image_at("{product}/calibration/board.tiff"),
    "image below the data": image_at("{leaf}/more/again/000.png"),
    "image deep in test": image_at("{product}/test/a/b/c/d/000.png"),
    "cloud in the root": cloud_at("a.pcd"),
    "cloud in a product": cloud_at("{product}/a.pcd"),
    "cloud below the data": cloud_at("{leaf}/more/a.pcd"),
    "copy of a part": copy_of_a_part,
}
CASES = [
    *((name, kind) for name in TREES for kind in UNSEEN),
    *((name, kind) for name in ARCHIVES for kind in STRAYS),
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_everything_sees_the_data_of_an_archive_and_nothing_else(tmp_path, name, kind):
    tree = TREES[name]
    root = tree.build(tmp_path / "unpacked")
    data = {file for pattern in tree.data for file in root.glob(pattern)}
    others = {path for path in root.rglob("*.*") if path.suffix not in IMAGES} - data
    assert data

    clutter = {**UNSEEN, **STRAYS}[kind](root, tree)
    listing = list_tree(root)
    assert listing.layout == tree.layout
    assert {entry.file for entry in listing.entries} == data
    assert len({entry.id for entry in listing.entries}) == len(listing.entries) == len(data)
    assert Counter(problem.file for problem in listing.problems) == Counter(map(str, clutter.named))
    for problem in listing.problems:
        assert problem.severity == "warning"
        assert "not read" in problem.what
        assert problem.remedy

    report = inspect(root)
    assert report.usable
    assert sum(kind.train + kind.test for kind in report.kinds) == len(data)
    assert report.ignored == Counter(file.suffix for file in {*others, *clutter.counted})

    source = load_recipe(write_starter(root, tmp_path / "starter.yaml")).source
    assert (source.kind, source.root) == (tree.layout, root)
    assert list_source(source).entries == listing.entries
    split = make_split(read(root), source, learns=tree.learns)
    parts = [sample.meta["file"] for part in (split.shots, split.good_images, split.test) for sample in part]
    assert sorted(parts) == sorted(map(str, data))
    assert not split.dropped


@pytest.mark.parametrize("name", ARCHIVES)
def test_one_product_alone_is_the_only_one_beside_what_macos_left(tmp_path, name):
    tree = TREES[name]
    product = tree.build(tmp_path / "unpacked") / tree.product
    before = list_tree(product)
    mac_folder(product)
    put_texts(product)
    assert recognise(product) == tree.layout
    listing = list_tree(product, product="renamed")
    assert {entry.product for entry in listing.entries} == {"renamed"}
    assert [entry.file for entry in listing.entries] == [entry.file for entry in before.entries]
    assert listing.problems == ()


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("place", ["000.png", "000_depth.png", "a/b/c/d/000_depth.png"])
def test_a_product_that_is_the_present_folder_takes_an_image_at_any_depth(tmp_path, monkeypatch, name, place):
    tree = TREES[name]
    monkeypatch.chdir(tree.build(tmp_path / "unpacked") / tree.product)
    before = list_tree(".", tree.layout).entries
    save(Path(place), random_image(902))
    listing = list_tree(".", tree.layout)
    assert listing.entries == before
    assert [(problem.file, problem.severity) for problem in listing.problems] == [(place, "warning")]


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_tree_without_a_file_is_reported(tmp_path, name):
    tree = TREES[name]
    root = tree.build(tmp_path / "unpacked")
    for file in [path for path in root.rglob("*") if path.is_file() and not path.name.endswith("_info_depth.yaml")]:
        file.unlink()
    report = inspect(root, tree.layout)
    assert not report.usable
    (problem,) = report.problems
    assert problem.file == str(root)
    assert "holds no" in problem.what


def test_images_beside_what_macos_left_of_a_mesh_are_images(tmp_path):
    save(tmp_path / "a.png", random_image(1))
    (tmp_path / "._part.stl").write_bytes(APPLE_DOUBLE)
    assert recognise(tmp_path) == "folder"


def test_a_product_in_the_folder_of_another_keeps_its_files_to_itself(tmp_path):
    root = mvtec_tree(tmp_path / "bottle")
    mvtec_tree(root / "lid", good_images=2, tests=3)
    listing = list_tree(root)
    assert listing.problems == ()
    assert Counter(entry.product for entry in listing.entries) == {"bottle": 19, "lid": 9}


@pytest.mark.parametrize(("there", "copy"), [("rgb/000.png", "rgb/000.jpg"), ("xyz/000.tiff", "xyz/000.tif")])
def test_one_name_for_two_files_of_a_scan_is_refused(tmp_path, there, copy):
    good = mvtec_3d_tree(tmp_path) / "bagel" / "train" / "good"
    shutil.copy(good / there, good / copy)
    (problem,) = list_tree(tmp_path).errors
    assert "has the same name as" in problem.what
    assert {Path(problem.file).name, problem.what.rpartition(" ")[2]} == {Path(there).name, Path(copy).name}


def test_an_eyecandies_image_without_its_depth_is_reported(tmp_path):
    root = eyecandies_archive(tmp_path)
    data = root / "ChocolateCookie" / "val" / "data"
    (data / "000_depth.png").unlink()
    listing = list_tree(root)
    assert {problem.file for problem in listing.problems} == {str(file) for file in data.glob("*.png")}
    assert {problem.what for problem in listing.problems} == {"belongs to no depth image, and is not read"}
    assert not listing.errors


def test_the_commands_take_the_archive_of_mvtec_ad_as_it_unpacks(tmp_path):
    root = mvtec_ad_archive(tmp_path / "mvtec_anomaly_detection")
    starter, out = tmp_path / "starter.yaml", tmp_path / "out"
    for command in (
        ["inspect", root],
        ["recipe", "init", root, "--to", starter],
        ["run", "mvtec_ad", "--set", f"source.root={root}", "--out", out, "--dry-run"],
        ["run", starter, "--out", out, "--dry-run"],
    ):
        done = CliRunner().invoke(app, list(map(str, command)))
        assert done.exit_code == 0, done.output
