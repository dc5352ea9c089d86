"""Large images are cut into tiles, and data without good images gives good windows away from its masks."""

import numpy as np
import pytest

from synth.pipeline.inspect import inspect
from synth.sources import list_source
from synth.sources.config import FolderSource
from synth.sources.listing import load, reopen, samples
from synth.split import make_split
from tests.synth.trees import random_image, save

SIZE = (300, 500)


def tree(root, good_images=3, defective=6, size=SIZE, seed=0):
    """Large images; each defective one has a small and a large defect."""
    rng = np.random.default_rng(seed)
    for n in range(good_images):
        save(root / "good" / f"{n}.png", random_image(100 + n, *size))
    for n in range(defective):
        image, mask = random_image(n, *size), np.zeros(size, bool)
        top, left = int(rng.integers(5, size[0] - 40)), int(rng.integers(5, size[1] - 40))
        mask[top : top + 6, left : left + 6] = True
        mask[size[0] // 2 : size[0] // 2 + 3, 20:230] = True  # longer than a tile
        save(root / "scratch" / f"{n}.png", image)
        save(root / "scratch" / f"{n}_mask.png", mask)
    return root


def test_the_tiles_of_good_images_cover_them_and_are_what_the_image_shows(tmp_path):
    source = FolderSource(root=tree(tmp_path / "sheet"), tiles=128)
    covered, tiles = np.zeros(SIZE, bool), 0
    for entry in list_source(source).entries:
        if entry.file.name == "0.png" and entry.defect is None:
            top, left, height, width = entry.window
            tile = load(entry)
            assert tile.image.shape == (128, 128, 3)
            assert (tile.image == random_image(100, *SIZE)[top : top + height, left : left + width]).all()
            covered[top : top + height, left : left + width] = True
            tiles += 1
    assert covered.all()
    assert tiles == 12


def test_every_tile_of_a_defective_image_shows_a_defect_and_small_ones_are_not_cut(tmp_path):
    source = FolderSource(root=tree(tmp_path / "sheet"), tiles=128)
    listing = list_source(source)
    shown = {}
    for sample in samples(listing):
        if sample.defect:
            assert sample.mask.sum() >= 6
            shown.setdefault(sample.meta["file"], []).append(sample)
    assert len(shown) == 6
    for file, tiles in shown.items():
        whole = load(next(e for e in list_source(FolderSource(root=source.root)).entries if str(e.file) == file))
        seen = np.zeros(SIZE, bool)
        for tile in tiles:
            top, left, height, width = tile.meta["entry"].window
            seen[top : top + height, left : left + width] = True
        assert seen[whole.mask].all()
    assert "cut into" in listing.notes[-1]


def test_good_windows_of_defective_images_touch_no_mask_and_do_not_overlap(tmp_path):
    root = tree(tmp_path / "sheet", good_images=0)
    listing = list_source(FolderSource(root=root, good_from="defective"))
    windows = [entry for entry in listing.entries if entry.defect is None]
    masks = {entry.file: load(entry).mask for entry in listing.entries if entry.defect}
    assert len(windows) >= 6
    for file, mask in masks.items():
        count = np.zeros(SIZE, int)
        for entry in windows:
            if entry.file == file:
                top, left, height, width = entry.window
                count[top : top + height, left : left + width] += 1
                assert not mask[max(0, top - 12) : top + height + 12, max(0, left - 12) : left + width + 12].any()
        assert count.max(initial=0) <= 1
    assert inspect(root, overrides=["source.good_from=defective"]).usable
    assert not inspect(root).usable


@pytest.mark.parametrize("test_fraction", [0.0, 0.34])
def test_windows_of_one_file_have_one_role(tmp_path, test_fraction):
    root = tree(tmp_path / "sheet", good_images=6)
    source = FolderSource(root=root, tiles=128, good_from="defective", test_fraction=test_fraction)
    split = make_split(samples(list_source(source)), source)
    files = [{s.meta["file"] for s in role} for role in (split.shots, split.validation, split.test)]
    assert not files[0] & files[1] | files[0] & files[2] | files[1] & files[2]
    assert not {s.meta["file"] for s in split.good_images} & (files[1] | files[2])
    assert bool(split.test) == bool(split.validation) == (test_fraction > 0)


def test_a_closed_window_is_read_again_as_it_was(tmp_path):
    source = FolderSource(root=tree(tmp_path / "sheet"), tiles=128)
    split = make_split(samples(list_source(source)), source)
    first = split.good_images[0]
    assert first.image is None
    assert reopen(first).meta["sha256"] == first.meta["sha256"]
    assert reopen(first).image.shape == (128, 128, 3)


def test_images_no_larger_than_a_tile_stay_whole(tmp_path):
    root = tree(tmp_path / "sheet")
    assert list_source(FolderSource(root=root, tiles=512)).entries == list_source(FolderSource(root=root)).entries


def test_an_image_beyond_the_limit_of_pillow_is_cut_as_well(tmp_path, monkeypatch):
    root = tree(tmp_path / "sheet")
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", SIZE[0] * SIZE[1] // 3)
    assert all(entry.window for entry in list_source(FolderSource(root=root, tiles=128)).entries)
