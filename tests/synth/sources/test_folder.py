import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from synth.errors import SourceError
from synth.io.images import content_hash, read_image
from synth.sources import READERS, read
from synth.sources.folder import list_folder
from synth.sources.listing import Listing, reopen, samples
from tests.synth.trees import blob, folder_tree, random_image, save, write_split

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "magnetic_tile"


def kinds(listing: Listing) -> dict[str, tuple[str | None, str, str | None]]:
    """Below-root name -> (defect, split, below-root name of the mask)."""
    root = listing.root
    return {
        entry.file.relative_to(root).as_posix(): (
            entry.defect,
            entry.split,
            entry.mask.relative_to(root).as_posix() if entry.mask else None,
        )
        for entry in listing.entries
    }


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("crack/a.jpg", "crack/a.png"),
        ("crack/a.bmp", "crack/a.png"),
        ("crack/a.tif", "crack/a.gif"),
        ("crack/a.png", "crack/a_mask.png"),
        ("crack/a.JPG", "crack/a-Mask.PNG"),
        ("crack/a.png", "crack/a_gt.bmp"),
        ("crack/a.png", "crack/a_label.png"),
        ("defect/crack/a.jpg", "ground_truth/crack/a.png"),
        ("defect/crack/a.jpg", "masks/crack/a_mask.png"),
        ("defect/crack/a.jpg", "masks/defect/crack/a.png"),
        ("images/crack/a.jpg", "labels/a.png"),
        ("train/crack/a.png", "train/crack/GT/a.png"),
        ("crack/a b.c.png", "crack/a b.c_mask.png"),
    ],
)
def test_a_mask_is_found_wherever_people_put_it(tmp_path, image, mask):
    save(tmp_path / image, random_image(1))
    save(tmp_path / mask, blob(1))
    save(tmp_path / "good" / "b.png", random_image(2))
    listing = list_folder(tmp_path)
    assert listing.problems == ()
    assert kinds(listing) == {image: ("crack", "train", mask), "good/b.png": (None, "train", None)}
    defect = next(sample for sample in samples(listing) if sample.defect)
    assert (defect.mask == blob(1)).all()


@pytest.mark.parametrize("good", ["good", "OK", "normal", "train/good", "defect_free", "images/ok"])
def test_good_parts_need_no_mask(tmp_path, good):
    save(tmp_path / good / "a.png", random_image(1))
    (sample,) = read(tmp_path, layout="folder")
    assert sample.defect is None
    assert sample.mask.shape == (37, 53)
    assert not sample.mask.any()


def test_images_in_no_folder_of_a_type_share_one_type(tmp_path):
    save(tmp_path / "a.png", random_image(1))
    save(tmp_path / "a_mask.png", blob(1))
    save(tmp_path / "bad" / "b.png", random_image(2))
    save(tmp_path / "masks" / "b.png", blob(2))
    assert {sample.defect for sample in read(tmp_path)} == {"defect"}


def test_folders_named_test_are_for_measuring(tmp_path):
    folder_tree(tmp_path / "train")
    folder_tree(tmp_path / "test", shots=1)
    found = [(s.split, Path(s.meta["file"]).relative_to(tmp_path).parts[0]) for s in read(tmp_path)]
    assert {split for split, _ in found} == {"train", "test"}
    assert all(split == place for split, place in found)


def test_samples_are_whole_and_their_order_and_ids_do_not_depend_on_the_place(tmp_path):
    root = folder_tree(tmp_path / "tile")
    first = list(read(root))
    shutil.copytree(root, tmp_path / "elsewhere" / "tile")
    second = list(read(tmp_path / "elsewhere" / "tile"))
    assert [s.id for s in first] == [s.id for s in second] == sorted(s.id for s in first)
    assert len({s.id for s in first}) == len(first) == 10
    for sample in first:
        assert sample.product == "tile"
        assert sample.image.shape == (*sample.mask.shape, 3)
        assert sample.meta["sha256"] == content_hash(sample.image) == content_hash(read_image(sample.meta["file"]))
        assert (sample.meta["mask_file"] is None) == (sample.defect is None)
    assert len({s.image.shape for s in first}) > 5


def test_the_product_can_be_named(tmp_path):
    assert {s.product for s in read(folder_tree(tmp_path), product="lid")} == {"lid"}


def test_reading_is_lazy(tmp_path):
    root = folder_tree(tmp_path)
    (root / "good" / "good3.jpg").write_bytes(b"no image")
    reading = read(root)
    assert next(reading).defect == "crack"
    with pytest.raises(SourceError, match=r"good3\.jpg"):
        list(reading)


def test_a_black_mask_beside_a_good_part_is_accepted_and_a_marked_one_is_not(tmp_path):
    save(tmp_path / "good" / "a.jpg", random_image(1))
    save(tmp_path / "good" / "a.png", np.zeros((37, 53), bool))
    assert [s.defect for s in read(tmp_path)] == [None]
    save(tmp_path / "good" / "a.png", blob(1))
    with pytest.raises(SourceError, match=r"a\.jpg is among the good parts, but .*a\.png marks \d+ px"):
        list(read(tmp_path))


def test_hidden_files_and_other_files_are_no_images(tmp_path):
    root = folder_tree(tmp_path)
    for name in (".hidden.png", "._a.png", "notes.txt", "__MACOSX/a.png"):
        save(root / "good" / name, random_image(1)) if name.endswith("png") else (root / "good" / name).write_text(
            "hello"
        )
    assert len(list_folder(root).entries) == 10


def test_a_folder_that_links_to_itself_is_read_once(tmp_path):
    root = folder_tree(tmp_path / "a")
    (root / "good" / "again").symlink_to(root, target_is_directory=True)
    assert len(list_folder(root).entries) == 10


def test_a_folder_that_may_not_be_listed_is_not_skipped(tmp_path, monkeypatch):
    root = folder_tree(tmp_path)
    scan = os.scandir

    def refuse(place):
        if Path(place).name == "pit":
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SourceError, match=r"pit cannot be listed \(Permission denied\); change its rights"):
        read(root, layout="folder")


def test_a_split_file_decides_and_what_it_leaves_out_is_left_out(tmp_path):
    root = folder_tree(tmp_path)
    shots = {"crack": ["crack0.png"], "pit": ["defect/pit/pit2.png"], "good": ["good0.jpg", "good1.jpg"]}
    write_split(root, shots, {"crack": ["crack2.png"], "good": ["good3.jpg"]})
    listing = list_folder(root)
    assert listing.listed
    assert {name.rpartition("/")[2]: split for name, (_, split, _) in kinds(listing).items()} == {
        "crack0.png": "train",
        "pit2.png": "train",
        "good0.jpg": "train",
        "good1.jpg": "train",
        "crack2.png": "test",
        "good3.jpg": "test",
    }


def test_another_split_file_can_be_named(tmp_path):
    root = folder_tree(tmp_path)
    write_split(root, {"good": ["good2.jpg"]}, {}).rename(root / "mine.json")
    assert [entry.file.name for entry in list_folder(root, split="mine.json").entries] == ["good2.jpg"]


def test_excluded_files_are_as_if_they_were_not_there(tmp_path):
    root = folder_tree(tmp_path)
    (root / "defect" / "pit" / "pit1_mask.png").unlink()
    with pytest.raises(SourceError, match=r"pit1\.png: has no mask; add .*pit1_mask\.png"):
        list(read(root))
    names = {s.id.rpartition("/")[2] for s in read(root, exclude=["defect/pit/pit1*", "good/*3.jpg"])}
    assert len(names) == 8
    assert not names & {"pit1.png", "good3.jpg"}


def test_good_limit_takes_the_first_by_name(tmp_path):
    good_images = [s.id for s in read(folder_tree(tmp_path, good_images=5), good_limit=2) if s.defect is None]
    assert [name[-9:] for name in good_images] == ["good0.jpg", "good1.jpg"]


def test_pixels_let_go_come_back_and_a_file_that_changed_is_noticed(tmp_path):
    sample, other, *_ = read(folder_tree(tmp_path))
    light, changed = (type(sample)(one.id, meta=one.meta) for one in (sample, other))
    assert (reopen(light).image == sample.image).all()
    assert (reopen(light).mask == sample.mask).all()
    save(Path(other.meta["file"]), random_image(999))
    with pytest.raises(SourceError, match="changed while"):
        reopen(changed)


def put(root: Path, *names: str) -> Path:
    """An image, or in a folder of masks a mask, under each name."""
    for seed, name in enumerate(names):
        save(root / name, blob(seed) if "masks" in Path(name).parts else random_image(seed))
    return root


def test_one_flat_mask_for_two_types_is_reported_with_both_images_and_a_place_for_each(tmp_path):
    root = put(tmp_path, "crack/0001.jpg", "pit/0001.jpg", "masks/0001.png")
    (problem,) = list_folder(root).errors
    assert str(problem) == (
        f"{root}/masks/0001.png: is the mask of several images: crack/0001.jpg, pit/0001.jpg; "
        f"give each its own, such as {root}/masks/crack/0001.png"
    )
    put(root, "masks/crack/0001.png")
    assert list_folder(root).problems == ()


def test_a_mask_of_train_is_not_lent_to_the_test_image_of_its_name(tmp_path):
    root = put(tmp_path, "train/images/0001.jpg", "train/masks/0001.png", "test/images/0001.jpg")
    (problem,) = list_folder(root).errors
    assert problem.file == str(root / "train/masks/0001.png")
    assert problem.what.endswith(": test/images/0001.jpg, train/images/0001.jpg")
    own = Path(problem.remedy.removeprefix("give each its own, such as "))
    save(own, blob(9))
    assert kinds(list_folder(root))["test/images/0001.jpg"] == ("defect", "test", "test/images/0001_mask.png")
    assert list_folder(root).problems == ()


@pytest.mark.parametrize("place", ["{split}/{what}", "{what}/{split}", "lot 1/{split}/{what}", "{what}/{split}/defect"])
def test_masks_of_one_name_go_to_the_images_of_their_split(tmp_path, place):
    images, masks = (
        [f"{place.format(split=split, what=what)}/0001.png" for split in ("train", "test")]
        for what in ("images", "masks")
    )
    listing = list_folder(put(tmp_path, *images, *masks))
    assert listing.problems == ()
    assert {file: mask for file, (_, _, mask) in kinds(listing).items()} == dict(zip(images, masks, strict=True))


def test_a_good_part_has_no_flat_mask_that_a_defect_has(tmp_path):
    listing = list_folder(put(tmp_path, "good/0001.jpg", "crack/0001.jpg", "masks/0001.png", "test/good/0001.jpg"))
    assert listing.problems == ()
    assert kinds(listing) == {
        "crack/0001.jpg": ("crack", "train", "masks/0001.png"),
        "good/0001.jpg": (None, "train", None),
        "test/good/0001.jpg": (None, "test", None),
    }


@pytest.mark.parametrize("layout", sorted(READERS))
def test_every_layout_refuses_a_missing_folder_and_a_file(tmp_path, layout):
    (tmp_path / "a.txt").write_text("hello")
    for path, why in ((tmp_path / "none", "does not exist"), (tmp_path / "a.txt", "is a file")):
        with pytest.raises(SourceError, match=f"{path.name} {why}"):
            read(path, layout=layout)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the magnetic tile set")
def test_the_magnetic_tiles_are_read_as_their_split_file_says():
    listing = list_folder(REAL)
    assert listing.problems == ()
    assert len(listing.entries) == 832
    assert sum(entry.split == "train" and entry.defect is not None for entry in listing.entries) == 129
    assert sum(entry.split == "train" and entry.defect is None for entry in listing.entries) == 300
    shot = next(entry for entry in listing.entries if entry.split == "train" and entry.defect == "crack")
    assert shot.mask == shot.file.with_suffix(".png")
