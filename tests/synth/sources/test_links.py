"""Links in a source: those that lead out are refused by name unless asked for, and none is followed for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synth.errors import SourceError
from synth.parts import settle_parts
from synth.pipeline.inspect import inspect
from synth.sources import READERS, list_tree, read, read_source
from synth.sources.config import FolderSource
from synth.sources.walk import DEEPEST, walk
from synth.split import make_split
from tests.synth.sources import test_public_archives as archives
from tests.synth.sources.test_cloud_trees import POINTS, pcd, real3d_tree
from tests.synth.sources.test_labels import yolo
from tests.synth.sources.test_rgbd_trees import eyecandies_tree, mvtec_3d_tree
from tests.synth.trees import blob, folder_tree, mvtec_tree, random_image, save


def built(make: Callable[[Path], object]) -> Callable[[Path], Path]:
    """What `make` writes into a folder, which is returned."""

    def build(root: Path) -> Path:
        make(root)
        return root

    return build


TREES = {
    "folder": (folder_tree, "good"),
    "mvtec_ad": (mvtec_tree, "train/good"),
    "mvtec_3d": (mvtec_3d_tree, "bagel/train/good/rgb"),
    "eyecandies": (eyecandies_tree, "ChocolateCookie/train/data"),
    "clouds": (real3d_tree, "car/train"),
    "visa": (built(archives.visa), "candle/Data/Images/Normal"),
    "dagm": (built(archives.dagm), "Class1"),
    "kolektor": (built(archives.kolektor_sdd), "kos01"),
    "real_iad": (built(archives.real_iad), "audiojack/OK/S0000"),
    "labels": (built(yolo), "images/train"),
}
assert set(TREES) == set(READERS)


def private(place: Path) -> Path:
    """A folder outside of every source, with an image, a cloud and a text in it."""
    save(place / "private.png", random_image(77))
    pcd(place / "private.pcd", POINTS)
    (place / "private.yaml").write_text("key: value\n")
    return place


@pytest.mark.parametrize("what", ["private.png", "private.pcd", "private.yaml", ".", "/etc", "../nowhere"])
@pytest.mark.parametrize("layout", TREES)
def test_a_link_that_leads_out_is_refused_with_its_name_and_what_it_means(tmp_path, layout, what):
    build, place = TREES[layout]
    root = build(tmp_path / "tree")
    target = (private(tmp_path / "private") / what).resolve()
    link = root / place / f"link{target.suffix}"
    link.symlink_to(target)
    with pytest.raises(SourceError) as raised:
        next(read(root, layout))
    wanted = f"{link}: is a link to {target}, outside of {root}; copy "
    assert str(raised.value).startswith(wanted)
    assert any(str(problem).startswith(wanted) for problem in inspect(root, layout).problems)
    name = link.relative_to(root).as_posix()
    assert len(list_tree(root, layout, exclude=[name]).errors) == 0
    assert not any(str(target) in str(entry.file.resolve()) for entry in list_tree(root, layout).entries)


@pytest.mark.parametrize("layout", TREES)
def test_links_that_lead_out_are_read_where_that_is_asked_for(tmp_path, layout):
    build, place = TREES[layout]
    root = build(tmp_path / "tree")
    before = list_tree(root, layout)
    (tmp_path / "store").mkdir()
    (root / place).rename(tmp_path / "store" / "moved")
    (root / place).symlink_to(tmp_path / "store" / "moved")
    assert list_tree(root, layout).errors
    assert list_tree(root, layout, follow_links=True) == before
    assert [sample.id for sample in read(root, layout, follow_links=True)] == [entry.id for entry in before.entries]


def test_a_recipe_may_ask_for_links(tmp_path):
    folder_tree(tmp_path / "store")
    (tmp_path / "tile").mkdir()
    for name in ("good", "defect"):
        (tmp_path / "tile" / name).symlink_to(tmp_path / "store" / name, target_is_directory=True)
    with pytest.raises(SourceError, match=r"tile/defect: is a link to .*store/defect, outside .*source\.follow_links"):
        list(read_source(FolderSource(root=tmp_path / "tile")))
    assert len(list(read_source(FolderSource(root=tmp_path / "tile", follow_links=True)))) == 10


def test_links_within_a_source_are_fine(tmp_path):
    root = mvtec_tree(tmp_path / "lid")
    (root / "train").rename(root / "kept")
    (root / "train").symlink_to("kept", target_is_directory=True)
    (root / "test" / "good" / "001.png").symlink_to(root / "test" / "good" / "000.png")
    listing = list_tree(root, "mvtec_ad")
    assert listing.errors == []
    assert sum(entry.split == "train" for entry in listing.entries) == 4
    assert len([entry for entry in listing.entries if entry.split == "test" and entry.defect is None]) == 2


def test_circles_of_links_end_and_are_reported(tmp_path):
    root = folder_tree(tmp_path / "tile")
    (root / "good" / "up").symlink_to(root, target_is_directory=True)
    (root / "good" / "itself.png").symlink_to("itself.png")
    (root / "a").mkdir()
    (root / "b").mkdir()
    (root / "a" / "to_b").symlink_to(root / "b")
    (root / "b" / "to_a").symlink_to(root / "a")
    found = [str(problem) for problem in list_tree(root, "folder").problems]
    assert any("good/up: is a link to" in text and "read already" in text for text in found)
    with pytest.raises(SourceError, match=r"itself\.png is not a file"):
        list(read(root, "folder"))


@pytest.mark.parametrize("follow", [False, True])
def test_folders_of_links_to_folders_of_links_are_walked_once_each(tmp_path, follow):
    for n in range(20):
        (tmp_path / f"{n}").mkdir()
        (tmp_path / f"{n}" / "a.png").touch()
        for name in ("left", "right"):
            (tmp_path / f"{n}" / name).symlink_to(tmp_path / f"{(n + 1) % 20}")
    assert len(walk(tmp_path, lambda _: False, follow).files) <= 2 * 20


@pytest.mark.parametrize("layout", TREES)
def test_folders_that_are_too_deep_are_refused_by_name(tmp_path, layout):
    root = TREES[layout][0](tmp_path / "tree")
    deep = root.joinpath(*["d"] * 300)
    deep.mkdir(parents=True)
    wanted = rf"tree{'/d' * (DEEPEST + 1)} lies more than {DEEPEST} folders below .*tree; move it up"
    with pytest.raises(SourceError, match=wanted):
        list_tree(root, layout)
    (found,) = inspect(root, layout).problems
    assert "folders below" in found.what


def test_a_folder_as_deep_as_allowed_is_read(tmp_path):
    deep = tmp_path.joinpath(*["d"] * DEEPEST)
    save(deep / "a.png", random_image(1))
    assert [file.name for file in walk(tmp_path, lambda _: False).files] == ["a.png"]


def test_masks_of_the_foreground_are_checked_alike(tmp_path):
    source = FolderSource(root=folder_tree(tmp_path / "tile"), foreground=tmp_path / "masks", min_shots=1)
    split = make_split(read_source(source), source)
    save(tmp_path / "masks" / "good0.png", ~blob(1))
    (tmp_path / "masks" / "more").symlink_to("/etc")
    with pytest.raises(SourceError, match=r"masks/more: is a link to /etc, outside of .*masks"):
        settle_parts(split, source)
