"""What every layout shares in listing a folder: which files count, and which names and folders it refuses."""

import os
import timeit
from pathlib import Path

import numpy as np
import pytest

from synth import generators
from synth.errors import SourceError
from synth.pipeline.inspect import inspect
from synth.recipe.starter import write_starter
from synth.sources import list_tree, read, read_source
from synth.sources.config import FolderSource
from synth.sources.listing import open_root
from tests.synth.blobs import BLOBS, run_blobs, write_source
from tests.synth.sources.test_cloud_trees import POINTS, pcd, real3d_tree
from tests.synth.sources.test_rgbd_trees import eyecandies_tree, mvtec_3d_tree
from tests.synth.trees import blob, folder_tree, mvtec_tree, random_image, save


def loose_clouds(root: Path) -> Path:
    pcd(root / "a.pcd", POINTS)
    return root


TREES = {
    "folder": folder_tree,
    "mvtec_ad": mvtec_tree,
    "mvtec_3d": mvtec_3d_tree,
    "eyecandies": eyecandies_tree,
    "clouds": real3d_tree,
    "loose clouds": loose_clouds,
}


def put_run(place: Path, mark: str) -> None:
    """What a run leaves, in the places where it does, as far as a layout could take it for its own."""
    for name in ("ledger.parquet", mark):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"")
    save(place / "real" / "shots" / "tile" / "crack" / "a.png", random_image(1))
    save(place / "real" / "shots" / "tile" / "crack" / "a_mask.png", blob(1))
    save(place / "data" / "tile" / "train" / "good" / "000.png", random_image(2))
    pcd(place / "data" / "pcd" / "tile" / "train" / "tile_template0.pcd", POINTS)


@pytest.mark.parametrize("mark", ["run.lock", "environment.json"])
@pytest.mark.parametrize("name", TREES)
def test_a_run_below_the_root_is_reported_and_not_read(tmp_path, name, mark):
    root = TREES[name](tmp_path / "tiles")
    before = list_tree(root)
    put_run(root / "outputs" / "tiles", mark)
    after = list_tree(root)
    assert (after.layout, after.entries) == (before.layout, before.entries)
    (found,) = set(after.problems) - set(before.problems)
    assert (found.file, found.severity) == (str(root / "outputs" / "tiles"), "warning")


def test_a_run_in_the_folder_it_learns_from_is_resumed(tmp_path, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)
    source = write_source(tmp_path / "tiles")
    made = run_blobs(source, source / "outputs" / "tiles")
    made.folder.manifest.unlink()
    assert run_blobs(source, made.path).manifest == made.manifest


def test_what_a_run_made_can_be_named_as_root(tmp_path):
    put_run(tmp_path / "run", "environment.json")
    assert len(list_tree(tmp_path / "run" / "data", "folder").entries) == 1
    assert len(list_tree(tmp_path / "run", "folder").entries) == 2


@pytest.mark.parametrize("name", [b"gr\xf6.jpg", b"gr\xf6\xdf/a.jpg"])
def test_a_name_that_is_not_utf8_is_reported_once_and_printable(tmp_path, name):
    root = folder_tree(tmp_path / "tiles")
    place = root / "good" / os.fsdecode(name)
    place.parent.mkdir(exist_ok=True)
    for file in {place, place.with_name("b.png")}:
        save(root / "a.jpg", random_image(7)).rename(file)
    (problem,) = list_tree(root).errors
    shown = ascii(os.fsdecode(name.partition(b"/")[0]))
    assert str(problem) == f"{root}/good/{shown}: its name is not UTF-8; rename it"
    assert not inspect(root).usable
    str(inspect(root)).encode()
    with pytest.raises(SourceError, match="its name is not UTF-8; rename it"):
        next(read(root))


@pytest.fixture
def locked(monkeypatch) -> None:
    """Folders named locked can be neither listed nor looked into, whoever asks."""
    scan, is_dir = os.scandir, Path.is_dir

    def refused(path: Path) -> PermissionError:
        return PermissionError(13, "Permission denied", str(path))

    def scandir(place):
        if Path(place).name == "locked":
            raise refused(place)
        return scan(place)

    def looks_like_a_folder(path):
        if "locked" in path.parts[:-1]:
            raise refused(path)
        return is_dir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "is_dir", looks_like_a_folder)


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("name", TREES)
def test_a_folder_that_may_not_be_listed_is_refused_by_name_in_every_layout(tmp_path, name):
    root = TREES[name](tmp_path / "tiles")
    layout = {"loose clouds": "clouds"}.get(name, name)
    (root / "locked").mkdir()
    wanted = r"locked cannot be listed \(Permission denied\); change its rights"
    for call in (
        lambda: list_tree(root),
        lambda: list_tree(root, layout),
        lambda: write_starter(root, tmp_path / "a.yaml"),
    ):
        with pytest.raises(SourceError, match=wanted):
            call()
    assert not inspect(root).usable


@pytest.mark.usefixtures("locked")
def test_a_root_that_may_not_be_listed_is_refused_by_name(tmp_path):
    (tmp_path / "locked").mkdir()
    with pytest.raises(SourceError, match=r"locked cannot be listed \(Permission denied\)"):
        open_root(tmp_path / "locked")


def deep_tree(root: Path, *brightest: int) -> Path:
    """Good parts of a grey camera whose brightest pixels are these, a hundred counts elsewhere, and a marked one."""
    for number, most in enumerate(brightest):
        values = np.full((37, 53), 100, np.uint16)
        values[5:9, 5:9] = most
        save(root / "good" / f"g{number}.png", values)
    save(root / "pit" / "p.png", values)
    save(root / "pit" / "p_mask.png", values == most)
    return root


def test_deep_images_of_one_product_are_scaled_alike_or_refused(tmp_path):
    root = deep_tree(tmp_path, 200, 4000)
    with pytest.raises(SourceError, match=r"g0\.png: .* 255 as white, .*g1\.png with 4095.*white_level: 4095"):
        list(read(root))
    (found,) = [problem for problem in inspect(root).problems if "source.white_level" in problem.remedy]
    assert found.severity == "error"
    samples = list(read_source(FolderSource(root=root, white_level=4095)))
    assert {int(sample.image[0, 0, 0]) for sample in samples} == {6}
    assert {int(sample.image.max()) for sample in samples} == {12, 249}


def test_a_white_level_below_the_brightest_pixel_cuts_it_off(tmp_path):
    (sample, *_) = read_source(FolderSource(root=deep_tree(tmp_path, 4000), white_level=1023))
    assert (sample.image.max(), sample.image[0, 0, 0]) == (255, 25)


def many(root: Path, name: str, count: int) -> Path:
    """A tree with this many times the files of a few, all links of one name to one file each."""
    TREES[name](root)
    for file in [f for f in root.rglob("*") if f.is_file() and f.suffix != ".json"]:
        prefix, dash, rest = file.name.partition("_")
        for n in range(count):
            made = file.with_name(f"{n:04}{prefix}{dash}{rest}")
            made.hardlink_to(file)
    return root


@pytest.mark.parametrize("name", TREES)
def test_listing_takes_time_in_proportion_to_the_files(tmp_path, name):
    """Four times the files, four times as long; sixteen times where every file is compared with every other."""
    layout = {"loose clouds": "clouds"}.get(name, name)
    spent = []
    for count in (8, 32):
        root = many(tmp_path / f"{count}", name, count)
        list_tree(root, layout)
        spent.append(min(timeit.repeat(lambda root=root: list_tree(root, layout), number=1, repeat=3)))
    assert spent[1] < 9 * spent[0] + 0.05
