"""What is inferred about image and mask files is told, can be decided by the recipe, and is refused where it cannot be
right, by reading, inspecting and running alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synth.errors import SourceError
from synth.io.orientation import as_stored
from synth.pipeline.inspect import inspect
from synth.sources import read, read_source
from synth.sources.config import FolderSource, MvtecAdSource
from tests.synth.sources.test_rgbd_trees import mvtec_3d_tree
from tests.synth.trees import folder_tree, mvtec_tree, random_image, save

TURNS = range(2, 9)


def marked(seed: int, side: int = 72) -> tuple[np.ndarray, np.ndarray]:
    """A square image with a bright spot off its centre and off its diagonals, and the spot's mask."""
    mask = np.zeros((side, side), bool)
    mask[8 + seed : 17 + seed, 26 : 37 + seed] = True
    image = random_image(seed, side, side) // 2
    image[mask] += 110
    return image, mask


def turned_tree(root: Path, tag: int, masks: str, shots: int = 3) -> Path:
    """Shots that are stored turned; masks: "stored" as they are, "upright" as they are seen, "tagged" with the tag."""
    (exif := Image.Exif())[0x0112] = tag
    for n in range(4):
        save(root / "good" / f"{n}.png", random_image(50 + n, 72, 72))
    for n in range(shots):
        image, mask = marked(n)
        save(root / "spot" / f"{n}.png", np.ascontiguousarray(as_stored(image, tag)), exif=exif)
        laid = mask if masks == "upright" else np.ascontiguousarray(as_stored(mask, tag))
        save(root / "spot" / f"{n}_mask.png", laid, **({"exif": exif} if masks == "tagged" else {}))
    return root


def notes(samples: list) -> set[tuple[str, bool]]:
    return {(note.topic, note.warning) for sample in samples for note in sample.meta["notes"]}


@pytest.mark.parametrize("tag", TURNS)
def test_masks_that_fit_only_the_stored_images_are_refused_by_name_of_the_switch(tmp_path, tag):
    root = turned_tree(tmp_path / "tiles", tag, "stored")
    wanted = r"spot/0\.png.* is turned by its EXIF tag.*3 of 3.*; say source\.orientation: stored"
    with pytest.raises(SourceError, match=wanted):
        list(read_source(FolderSource(root=root)))
    report = inspect(root)
    assert "source.orientation: stored" in next(p.remedy for p in report.problems if p.severity == "error")
    assert sum("EXIF" in p.what for p in report.problems if p.severity == "warning") == 3
    samples = list(read_source(FolderSource(root=root, orientation="stored")))
    assert notes(samples) == set()
    for sample in samples[-3:]:
        assert sample.image[sample.mask].mean() > sample.image[~sample.mask].mean() + 50


@pytest.mark.parametrize("tag", TURNS)
@pytest.mark.parametrize("masks", ["upright", "tagged"])
def test_images_that_are_turned_as_their_masks_need_it_are_read_and_told(tmp_path, tag, masks):
    root = turned_tree(tmp_path / "tiles", tag, masks)
    samples = list(read_source(FolderSource(root=root)))
    for sample in samples[-3:]:
        assert sample.image[sample.mask].mean() > sample.image[~sample.mask].mean() + 50
    assert notes(samples) == {("orientation", masks == "upright")}
    assert inspect(root).usable
    told = notes(list(read_source(FolderSource(root=root, orientation="exif"))))
    assert told == (set() if masks == "upright" else {("orientation", False)})


def test_a_mask_drawn_on_an_image_stored_on_its_side_is_refused_by_name_of_the_switch(tmp_path):
    root = folder_tree(tmp_path / "tiles")
    (exif := Image.Exif())[0x0112] = 6
    image = root / "defect" / "pit" / "pit0.png"
    Image.open(image).save(image, exif=exif)
    with pytest.raises(SourceError, match=r"pit0_mask\.png is .* or say source\.orientation: stored"):
        list(read_source(FolderSource(root=root)))
    assert len(list(read_source(FolderSource(root=root, orientation="stored")))) == 10


def repainted(root: Path, paint) -> Path:
    for file in sorted(root.rglob("*_mask.png")):
        mask = np.asarray(Image.open(file)) > 0
        Image.fromarray(paint(mask)).save(file)
    return root


TREES = {"folder": (folder_tree, FolderSource), "mvtec_ad": (mvtec_tree, MvtecAdSource)}


@pytest.mark.parametrize("layout", TREES)
def test_inverted_masks_are_refused_until_the_recipe_says_what_they_are(tmp_path, layout):
    tree, source = TREES[layout]
    truth = {s.id: s.mask for s in read_source(source(root=tree(tmp_path / "tiles")))}
    root = repainted(tmp_path / "tiles", lambda mask: (~mask).astype(np.uint8) * 255)
    with pytest.raises(SourceError, match=r"_mask\.png: marks more than half .*; say source\.inverted_masks: invert"):
        list(read_source(source(root=root)))
    assert any("source.inverted_masks" in p.remedy for p in inspect(root).problems if p.severity == "error")
    for sample in read_source(source(root=root, inverted_masks="invert")):
        assert (sample.mask == truth[sample.id]).all()
        assert len(sample.meta["notes"]) == (sample.defect is not None)
    for sample in read_source(source(root=root, inverted_masks="accept")):
        assert sample.defect is None or (sample.mask == ~truth[sample.id]).all()


def test_masks_that_are_not_inverted_are_not_to_be_inverted(tmp_path):
    with pytest.raises(SourceError, match=r"source\.inverted_masks"):
        list(read_source(FolderSource(root=folder_tree(tmp_path / "tiles"), inverted_masks="invert")))


def test_one_large_defect_among_small_ones_is_no_inverted_mask(tmp_path):
    root = folder_tree(tmp_path / "tiles")
    file = root / "defect" / "pit" / "pit0_mask.png"
    save(file, np.indices(np.asarray(Image.open(file)).shape)[0] > 3)
    assert len(list(read_source(FolderSource(root=root)))) == 10


def test_unusual_values_of_masks_are_told_and_can_be_said(tmp_path):
    root = repainted(folder_tree(tmp_path / "tiles"), lambda mask: mask.astype(np.uint8) * 5)
    (told,) = {note for sample in read_source(FolderSource(root=root)) for note in sample.meta["notes"]}
    assert (told.text, told.field) == (
        "has a mask that holds values 0, 5: 5 is taken for the defect",
        "source.mask_values",
    )
    assert any("0, 5: 5" in line for line in inspect(root).notes)
    assert notes(list(read_source(FolderSource(root=root, mask_values=[5])))) == set()
    with pytest.raises(SourceError, match=r"holds values 0, 5 and none of source\.mask_values, 7"):
        list(read_source(FolderSource(root=root, mask_values=[7])))


def test_masks_of_several_classes_name_the_fields_that_choose_among_them(tmp_path):
    root = repainted(folder_tree(tmp_path / "tiles"), lambda mask: np.where(mask, 255, 128).astype(np.uint8))
    with pytest.raises(SourceError, match=r"values 128, 255.*source\.mask_values"):
        list(read_source(FolderSource(root=root)))
    assert len(list(read_source(FolderSource(root=root, mask_values=[255])))) == 10


def test_what_a_recipe_may_say_can_be_said_without_one(tmp_path):
    root = repainted(folder_tree(tmp_path / "tiles"), lambda mask: np.where(mask, 255, 128).astype(np.uint8))
    assert len(list(read(root, mask_values=[255]))) == 10


def test_an_image_that_is_turned_away_from_its_cloud_is_told(tmp_path):
    root = mvtec_3d_tree(tmp_path / "scans")
    (exif := Image.Exif())[0x0112] = 3
    file = next(iter(sorted(root.rglob("train/good/rgb/*.png"))))
    Image.open(file).save(file, exif=exif)
    (told,) = {note for sample in read(root) for note in sample.meta["notes"] if note.topic == "orientation"}
    assert told.warning
    assert "its cloud is not turned" in told.text


@pytest.mark.parametrize("tree", [folder_tree, mvtec_tree])
def test_ordinary_files_are_read_without_a_word(tmp_path, tree):
    report = inspect(tree(tmp_path / "tiles"))
    assert not any(word in line for line in report.notes for word in ("mask", "white", "EXIF", "alpha"))


@pytest.mark.parametrize("values", [["red"], ["#12"], [1.5]])
def test_values_of_masks_are_numbers_or_colours(tmp_path, values):
    with pytest.raises(ValueError, match="mask_values"):
        FolderSource(root=tmp_path, mask_values=values)
