"""Folders as people keep them: what names, links, batches, several products and leftovers are taken for, and that it is
told."""

from __future__ import annotations

import shutil
import timeit
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import FlawsmithError, SourceError
from synth.recipe import load_recipe, source_for
from synth.recipe.starter import write_starter
from synth.sources import list_source, list_tree, read
from synth.sources.config import FolderSource
from synth.sources.listing import Listing, samples
from synth.split import make_split
from tests.synth.sources.test_archive_trees import APPLE_DOUBLE
from tests.synth.sources.test_archive_trees import TREES as ARCHIVES
from tests.synth.trees import blob, folder_tree, mvtec_tree, random_image, save, write_split


def put(root: Path, *places: str, seed: int = 0) -> Path:
    """Files below root: 3 images for a place such as crack/*.jpg, 3 masks where it says mask>."""
    for k, place in enumerate(places):
        kind, _, name = place.rpartition(">")
        for n in range(3):
            made = blob(seed + 10 * k + n) if kind == "mask" else random_image(seed + 100 + 10 * k + n)
            save(root / name.replace("*", f"00{n}"), made)
    return root


def kinds(listing: Listing) -> set[tuple[str, str | None, str]]:
    return {(entry.product, entry.defect, entry.split) for entry in listing.entries}


def types(listing: Listing) -> set[str | None]:
    return {entry.defect for entry in listing.entries}


def marked(listing: Listing) -> None:
    """Every defect is read with the mask that was written for its number, and nothing is wrong."""
    assert [problem for problem in listing.problems if problem.severity == "error"] == []
    assert all(sample.mask.any() == (sample.defect is not None) for sample in samples(listing))


def told(listing: Listing, *words: str) -> bool:
    return any(all(word in note for word in words) for note in listing.notes)


# Names of products


@pytest.mark.parametrize("name", sorted(set(ARCHIVES) - {"folder"}))
def test_a_product_behind_a_link_has_the_links_own_name_in_every_layout(tmp_path, name):
    tree = ARCHIVES[name]
    home = tree.build(tmp_path / "store") / tree.product
    files = len(list_tree(home).entries)
    for line in ("a", "b"):
        shutil.copytree(home, tmp_path / f"line_{line}" / "v3")
        (tmp_path / "root").mkdir(exist_ok=True)
        (tmp_path / "root" / f"part_{line}").symlink_to(tmp_path / f"line_{line}" / "v3")
    listing = list_tree(tmp_path / "root", follow_links=True)
    assert Counter(entry.product for entry in listing.entries) == {"part_a": files, "part_b": files}
    assert {entry.id.partition("/")[0] for entry in listing.entries} == {"part_a", "part_b"}
    (tmp_path / "alone").symlink_to(home)
    assert {entry.product for entry in list_tree(tmp_path / "alone").entries} == {"alone"}


@pytest.mark.parametrize("build", [folder_tree, mvtec_tree])
def test_every_way_to_write_a_root_gives_the_name_that_it_is_called_by(tmp_path, monkeypatch, build):
    build(tmp_path / "3f2a9c" / "v1")
    (tmp_path / "tile").symlink_to(tmp_path / "3f2a9c" / "v1")
    (tmp_path / "tile" / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    for text in ("tile", "tile/", "./tile", "3f2a9c/../tile", str(tmp_path / "tile")):
        assert {entry.product for entry in list_tree(text).entries} == {"tile"}, text
    monkeypatch.chdir(tmp_path / "3f2a9c" / "v1")
    for text in (".", "./", "empty/..", "../v1"):
        assert {entry.product for entry in list_tree(text).entries} == {"v1"}, text


def test_recipes_keep_the_name_of_a_linked_root(tmp_path, monkeypatch):
    folder_tree(tmp_path / "v1")
    (tmp_path / "tile").symlink_to("v1")
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "tile").symlink_to("../v1")
    monkeypatch.chdir(tmp_path)
    starter = write_starter(Path("tile"), tmp_path / "tile.yaml")
    (tmp_path / "own.yaml").write_text("name: own\nsource: {kind: folder, root: tile}\ngenerator: {kind: copy_paste}\n")
    for source in (
        load_recipe(starter).source,
        load_recipe(tmp_path / "own.yaml").source,
        load_recipe(starter, ["source.root=tile"]).source,
        source_for("tile"),
        source_for(Path("lines", "..", "lines", "tile")),
    ):
        assert {entry.product for entry in list_source(source).entries} == {"tile"}


def test_two_products_of_one_name_are_refused(tmp_path):
    root = mvtec_tree(tmp_path / "bottle")
    mvtec_tree(root / "bottle")
    with pytest.raises(SourceError, match=r"bottle/bottle and .*bottle are both the product bottle; rename one"):
        list_tree(root)


# Words that are names of types, too

MASK_WORDS = ["label", "labels", "mask", "masks", "seg", "annotation", "gt", "ground_truth", "seg_1", "label_missing"]


@pytest.mark.parametrize("masks", ["{type}/*_mask.png", "{type}/*.png", "masks/{type}/*.png", "{type}/GT/*.png"])
@pytest.mark.parametrize("word", MASK_WORDS)
def test_a_type_that_is_called_as_masks_are_keeps_its_images_and_masks(tmp_path, word, masks):
    if (word, masks) == ("masks", "masks/{type}/*.png"):
        pytest.skip("one folder for both")
    own = (place.format(type=kind) for kind in ("crack", word) for place in ("{type}/*.jpg", f"mask>{masks}"))
    listing = list_tree(put(tmp_path / "tile", "good/*.jpg", *own), "folder")
    assert Counter(entry.defect for entry in listing.entries) == {None: 3, "crack": 3, word: 3}
    assert not [problem for problem in listing.problems if problem.severity == "error"]
    assert all(entry.mask and entry.mask.stem[:3] == entry.file.stem for entry in listing.entries if entry.defect)
    marked(listing)
    assert told(listing, f"{word}/ holds images")
    assert told(listing, "source.masks")


@pytest.mark.parametrize("masks", ["{type}/*_mask.png", "masks/{type}/*.png"])
@pytest.mark.parametrize("word", ["data", "image", "img", "rgb"])
def test_a_type_that_is_called_as_images_are_is_a_type_beside_types(tmp_path, word, masks):
    own = (place.format(type=kind) for kind in ("crack", word) for place in ("{type}/*.jpg", f"mask>{masks}"))
    listing = list_tree(put(tmp_path / "tile", "good/*.jpg", *own), "folder")
    assert Counter(entry.defect for entry in listing.entries) == {None: 3, "crack": 3, word: 3}
    marked(listing)
    assert told(listing, f"{word} is a defect type", "source.types")


@pytest.mark.parametrize("word", ["test", "val", "normal", "data", "label", "defect", "train"])
def test_a_recipe_names_types_that_no_rule_finds(tmp_path, word):
    root = put(tmp_path / "tile", "ok/*.jpg", f"{word}/*.jpg", f"mask>{word}/*_mask.png")
    listing = list_source(FolderSource(root=root, types=(word,)))
    assert kinds(listing) == {("tile", None, "train"), ("tile", word, "train")}
    marked(listing)


def test_images_that_are_called_masks_and_look_like_none_are_images(tmp_path):
    listing = list_tree(put(tmp_path / "masks", "good/*_face_mask.jpg", "tear/*.jpg", "mask>tear/*_mask.png"), "folder")
    assert Counter(entry.defect for entry in listing.entries) == {None: 3, "tear": 3}
    assert listing.problems == ()
    assert told(listing, "good/ holds images", "called as masks")


def test_a_real_mask_that_no_image_has_stays_a_warning(tmp_path):
    root = put(tmp_path / "tile", "good/*.jpg", "crack/*.jpg", "mask>crack/*.png", "mask>old/gt/*.png")
    save(root / "crack" / "alone_mask.png", blob(1))
    listing = list_tree(root, "folder")
    assert {problem.what for problem in listing.problems} == {"is a mask without an image"}
    assert len(listing.problems) == 4


@pytest.mark.parametrize("place", ["Schablonen/crack/*.png", "crack_masks/*.png", "binary_masks/crack/*_gt.png"])
def test_masks_are_known_by_what_they_hold_not_by_the_name_of_their_folder(tmp_path, place):
    listing = list_tree(put(tmp_path / "tile", "good/*.jpg", "crack/*.jpg", f"mask>{place}"), "folder")
    assert listing.problems == ()
    marked(listing)
    assert told(listing, "masks in", place.partition("/*")[0])


@pytest.mark.parametrize("name", ["OK parts", "good-images", "Normal samples", "gut"])
def test_words_for_pieces_beside_one_for_good_say_good_and_other_words_do_not(tmp_path, name):
    files = [f"{name}/2026-03-01/{k}.jpg" for k in range(5)]
    root = put(tmp_path / "tile", *files, "crack/*.jpg", "mask>crack/*_mask.png")
    listing = list_tree(root, "folder")
    if name == "gut":
        (problem,) = listing.errors
        assert problem.file.endswith("2026-03-01")
        assert problem.what == "holds 5 images, none of which has a mask"
        assert "say source.good: [2026-03-01]" in problem.remedy
    else:
        assert listing.errors == []
        assert sum(entry.defect is None for entry in listing.entries) == 5


def test_two_folders_of_images_alone_are_not_one_of_images_and_one_of_masks(tmp_path):
    listing = list_tree(put(tmp_path / "tile", "good/*.jpg", "seg/*.jpg", "crack/*.jpg"), "folder")
    assert {problem.what for problem in listing.errors} == {"has no mask"}
    assert len(listing.errors) == 6
    assert "source.masks" in listing.errors[0].remedy


def test_a_recipe_names_the_folders_of_good_images_and_of_masks(tmp_path):
    root = put(tmp_path / "tile", "ok_edges/*.jpg", "crack/*.jpg", "mask>crack/*_mask.png")
    assert "say source.good: [ok_edges]" in list_tree(root, "folder").errors[0].remedy
    put(root, "line/fine/*.jpg", "pit/*.jpg", "mask>x/pit/*.png")
    listing = list_source(FolderSource(root=root, good=("ok_*", "line/fine"), masks=("x",)))
    assert listing.errors == []
    assert Counter(entry.defect for entry in listing.entries) == {None: 6, "crack": 3, "pit": 3}


@pytest.mark.parametrize("field", ["good", "masks", "types"])
def test_a_pattern_that_means_no_folder_is_refused(tmp_path, field):
    root = put(tmp_path / "tile", "good/*.jpg", "crack/*.jpg", "mask>crack/*_mask.png")
    errors = list_source(FolderSource(root=root, **{field: ("goood",)})).errors
    assert f"no folder matches 'goood' of source.{field}" in {error.what for error in errors}


def test_one_product_a_folder_is_refused_where_there_is_none(tmp_path):
    root = put(tmp_path / "tile", "good/*.jpg", "crack/*.jpg", "mask>crack/*_mask.png")
    (error,) = list_source(FolderSource(root=root, products="folders")).errors
    assert "source.products: folders" in error.what
    with pytest.raises(SourceError, match=r"names the only product, 'lid', and source\.products: folders"):
        list_source(FolderSource(root=root, products="folders", product="lid"))


# Types and batches

NESTED = [
    ("scratch/2024-05-13", "scratch"),
    ("scratch/20240513", "scratch"),
    ("NG/scratch/S0001", "scratch"),
    ("2024-05-13/NG/scratch", "scratch"),
    ("test/scratch/deep/shift_2", "scratch"),
    ("lot 7/defect/scratch/left", "scratch"),
]


@pytest.mark.parametrize(("place", "kind"), NESTED)
@pytest.mark.parametrize("masks", ["{place}/*_mask.png", "masks/{place}/*.png"])
def test_the_first_folder_of_several_is_the_type(tmp_path, place, kind, masks):
    other = place.replace("13", "14").replace("0001", "0002").replace("left", "right")
    folders = dict.fromkeys((place, other))
    shots = [text for each in folders for text in (f"{each}/*.jpg", "mask>" + masks.format(place=each))]
    listing = list_tree(put(tmp_path / "tile", "good/*.jpg", *shots), "folder")
    assert types(listing) == {None, kind}
    assert listing.problems == ()
    marked(listing)
    for entry in listing.entries:
        assert not entry.defect or entry.mask.parent.name == entry.file.parent.name


def test_a_recipe_says_which_of_several_folders_is_the_type(tmp_path):
    root = put(tmp_path / "tile", "good/*.jpg", "metal/scratch/*.jpg", "mask>metal/scratch/*_mask.png")
    for choice, kind in (("first", "metal"), ("last", "scratch"), ("path", "metal_scratch")):
        listing = list_source(FolderSource(root=root, type_from=choice))
        assert types(listing) == {None, kind}
    assert told(list_tree(root, "folder"), "metal/scratch/", "the first is the type", "source.type_from")


@pytest.mark.parametrize(
    ("names", "alike"),
    [
        (("Scratch", "scratch", "pit"), "Scratch, scratch"),
        (("scratch", "scratch_1", "scratch-02"), "scratch, scratch-02, scratch_1"),
        (("scratch", "scratch_deep", "pit"), "scratch, scratch_deep"),
        (("scratch_head", "scratch_neck", "pit"), None),
        (("1", "2"), None),
    ],
)
def test_types_whose_names_are_alike_are_warned_of(tmp_path, names, alike):
    shots = [text for name in names for text in (f"{name}/*.jpg", f"mask>{name}/*_mask.png")]
    listing = list_tree(put(tmp_path / "tile", "good/*.jpg", *shots), "folder")
    assert types(listing) == {None, *names}
    found = [problem for problem in listing.problems if problem.severity == "warning"]
    assert len(found) == (alike is not None)
    assert all(f"types {alike}, which may be one" in problem.what for problem in found)


# Roles


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation"])
def test_a_folder_named_validation_is_for_validation(tmp_path, name):
    crack = [f"{part}/crack/*{end}" for part in ("train", name, "test") for end in (".jpg", "_mask.png")]
    places = [f"mask>{place}" if "_mask" in place else place for place in crack]
    root = put(tmp_path / "tile", "train/good/*.jpg", f"{name}/good/*.jpg", "test/good/*.jpg", *places)
    listing = list_tree(root, "folder")
    assert Counter(entry.split for entry in listing.entries) == {"train": 6, "validation": 6, "test": 6}
    assert told(listing, "for validation", f"{name}/")
    source = FolderSource(root=root)
    split = make_split(samples(list_source(source)), source)
    assert {Path(s.meta["file"]).relative_to(root).parts[0] for s in split.validation} == {name}


def test_a_type_with_validation_and_test_images_alone_still_has_shots(tmp_path):
    places = [f"{part}/crack/*{end}" for part in ("val", "test") for end in (".jpg", "_mask.png")]
    shots = [f"mask>{place}" if "_mask" in place else place for place in places]
    root = put(tmp_path / "tile", "train/good/*.jpg", *shots)
    source = FolderSource(root=root, min_shots=1)
    split = make_split(samples(list_source(source)), source)
    assert [len(part) for part in (split.shots, split.validation, split.test)] == [1, 3, 2]


# Several products

TWO = {
    "as in BTAD": ("{p}/train/ok/*.bmp", "{p}/test/ok/*.bmp", "{p}/test/ko/*.bmp", "mask>{p}/ground_truth/ko/*.png"),
    "as in VisA": (
        *("{p}/Data/Images/Normal/*.JPG", "{p}/Data/Images/Anomaly/*.JPG"),
        "mask>{p}/Data/Masks/Anomaly/*.png",
    ),
    "beside": ("{p}/good/*.jpg", "{p}/ko/*.jpg", "mask>{p}/ko/*_mask.png"),
    "by role first": ("train/{p}/good/*.jpg", "test/{p}/ko/*.jpg", "mask>test/{p}/ko/*_mask.png"),
    "masks apart": ("{p}/good/*.jpg", "{p}/ko/*.jpg", "mask>masks/{p}/ko/*.png"),
}


@pytest.mark.parametrize("layout", TWO)
@pytest.mark.parametrize("names", [("01", "02"), ("cap", "label"), ("candle", "pcb1")])
@pytest.mark.parametrize("above", ["", "unpacked/"])
def test_folders_with_good_and_defective_images_of_their_own_are_products(tmp_path, layout, names, above):
    kind = "defect" if layout == "as in VisA" else "ko"
    for k, name in enumerate(names):
        put(tmp_path / "set", *(text.format(p=above + name) for text in TWO[layout] if not text.startswith("mask>")))
        places = [text.removeprefix("mask>").format(p=above + name) for text in TWO[layout] if text[:5] == "mask>"]
        put(tmp_path / "set", *(f"mask>{place}" for place in places), seed=1000 * k)
    listing = list_tree(tmp_path / "set", "folder")
    assert {(entry.product, entry.defect) for entry in listing.entries} == {(n, k) for n in names for k in (None, kind)}
    assert len({entry.id for entry in listing.entries}) == len(listing.entries)
    assert all(entry.id.startswith(f"{entry.product}/") for entry in listing.entries)
    assert all(entry.mask is None or entry.product in entry.mask.parts for entry in listing.entries)
    marked(listing)
    assert told(listing, "several products", f"{names[0]}, {names[1]}", "source.products")
    pooled = list_source(FolderSource(root=tmp_path / "set", products="one"))
    assert {entry.product for entry in pooled.entries} == {"set"}
    named = list_source(FolderSource(root=tmp_path / "set", product="lid"))
    assert {entry.product for entry in named.entries} == {"lid"}


@pytest.mark.parametrize("layout", ["as in BTAD", "as in VisA", "beside"])
def test_a_product_has_the_same_ids_from_above_and_alone(tmp_path, layout):
    for name in ("p1", "p2"):
        put(tmp_path, *(text.format(p=name) for text in TWO[layout]))
    above = [entry.id for entry in list_tree(tmp_path, "folder").entries if entry.product == "p1"]
    assert above == [entry.id for entry in list_tree(tmp_path / "p1", "folder").entries]


@pytest.mark.parametrize("names", [("2024-05-13", "2024-05-14"), ("lot 1", "lot 2"), ("shift_1", "shift_2")])
def test_batches_with_good_and_defective_images_are_one_product(tmp_path, names):
    for name in names:
        put(tmp_path / "tile", f"{name}/OK/*.jpg", f"{name}/NG/scratch/*.jpg", f"mask>{name}/NG/scratch/*_mask.png")
    listing = list_tree(tmp_path / "tile", "folder")
    assert kinds(listing) == {("tile", None, "train"), ("tile", "scratch", "train")}
    assert told(listing, "batches of one product", *names)
    apart = list_source(FolderSource(root=tmp_path / "tile", products="folders"))
    assert {entry.product for entry in apart.entries} == set(names)


def test_images_beside_products_are_refused_with_the_switch(tmp_path):
    put(tmp_path, *(text.format(p=name) for text in TWO["beside"] for name in ("p1", "p2")), "good/*.jpg")
    (error,) = list_tree(tmp_path, "folder").errors
    assert str(error) == (
        f"{tmp_path}/good: holds 3 images beside the products p1, p2, and of none of them; move them into a product's "
        "folder, or say source.products: one if all are one product"
    )
    assert list_source(FolderSource(root=tmp_path, products="one")).errors == []


def test_a_mask_is_not_lent_to_another_product(tmp_path):
    put(tmp_path, *(text.format(p=name) for text in TWO["as in BTAD"] for name in ("p1", "p2")))
    (tmp_path / "p2" / "ground_truth" / "ko" / "001.png").unlink()
    (error,) = list_tree(tmp_path, "folder").errors
    assert (error.file, error.what) == (str(tmp_path / "p2" / "test" / "ko" / "001.bmp"), "has no mask")


# What other programs leave

LEFT = [
    *("@eaDir/000.png/SYNOPHOTO_THUMB_M.jpg", "#recycle/old.png", "@Recycle/old.png", "$RECYCLE.BIN/S-1-5/$R12.png"),
    *("System Volume Information/a.png", "lost+found/a.png", ".trash/a.png", ".Trash-1000/files/a.png"),
    *("__MACOSX/._a.png", ".ipynb_checkpoints/a-checkpoint.png", "._a.png", "~$a.png", "a.png~", "a.png.bak"),
    *("a.png.tmp", "a.png.part", "a.png.crdownload", "Thumbs.db", "ehthumbs.db", "Desktop.ini", "good.bak/a.png"),
    *("SYNOPHOTO_THUMB_XL.jpg", "a.png:Zone.Identifier", ".hidden.png", "#snapshot/x/y/a.png", "old~/a.png"),
]


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("at", ["{root}", "{product}", "{leaf}"])
def test_leftovers_of_other_programs_are_left_out_and_counted_in_every_layout(tmp_path, name, at):
    tree = ARCHIVES[name]
    root = tree.build(tmp_path / "set")
    before = list_tree(root)
    place = root / at.format(root="", product=tree.product, leaf=tree.leaf)
    for n, left in enumerate(LEFT):
        image = save(tmp_path / "a.png", random_image(900 + n))
        (place / left).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, place / left)
    after = list_tree(root)
    assert after.entries == before.entries
    assert after.problems == before.problems
    (note,) = set(after.notes) - set(before.notes)
    assert note.startswith("left out as leftovers of other programs: ")
    assert "1 file of #recycle" in note
    assert sum(int(part.split()[0]) for part in note.partition(": ")[2].split(", ")) == len(LEFT)


@pytest.mark.parametrize(
    "name", ["Copy of {}.png", "{} - Copy.png", "{} - Copy (2).png", "{} copy.png", "{} Kopie.png"]
)
def test_a_copy_with_the_same_bytes_is_left_out_and_another_image_of_that_name_is_not(tmp_path, name):
    root = put(tmp_path / "tile", "good/*.png", "crack/*.png", "mask>crack/*_mask.png")
    before = list_tree(root, "folder")
    shutil.copy(root / "good" / "000.png", root / "good" / name.format("000"))
    shutil.copy(root / "crack" / "000.png", root / "crack" / name.format("000"))
    after = list_tree(root, "folder")
    assert (after.entries, after.problems) == (before.entries, before.problems)
    assert told(after, "2 files of copies")
    save(root / "good" / name.format("001"), random_image(77))
    assert len(list_tree(root, "folder").entries) == len(before.entries) + 1


# Spelling


@pytest.mark.parametrize("masks", ["{type}/{stem}_mask.png", "{type}/{stem}.png", "masks/{type}/{stem}.png"])
@pytest.mark.parametrize(("image", "mask"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_pair_in_either_unicode_form(tmp_path, masks, image, mask):
    kind, stem = "Kratzer_äußen", "Prüfling_é"
    root = put(tmp_path / "tile", "good/*.jpg")
    forms = {form: [unicodedata.normalize(form, text) for text in (kind, stem)] for form in ("NFC", "NFD")}
    save(root / forms[image][0] / f"{forms[image][1]}.jpg", random_image(1))
    beside = masks.startswith("{type}")
    save(root / masks.format(type=forms[image if beside else mask][0], stem=forms[mask][1]), blob(1))
    listing = list_tree(root, "folder")
    assert listing.problems == ()
    (entry,) = [entry for entry in listing.entries if entry.defect]
    assert entry.defect == unicodedata.normalize("NFC", kind)
    assert entry.mask
    assert entry.file.name == f"{forms[image][1]}.jpg"
    assert list_tree(root, "folder", exclude=[f"{forms[mask][0]}/*"]).errors == []


@pytest.mark.parametrize(
    "mask", ["crack/a_mask.png", "crack/a_label.png", "crack/a.png", "masks/crack/a.png", "GT/a.png"]
)
def test_capitals_pair_where_that_leaves_no_doubt(tmp_path, mask):
    root = put(tmp_path / "tile", "good/*.jpg")
    save(root / "crack" / "A.JPG", random_image(1))
    save(root / mask, blob(1))
    listing = list_tree(root, "folder")
    assert listing.problems == ()
    assert [entry.mask for entry in listing.entries if entry.defect] == [root / mask]


def test_capitals_that_tell_images_apart_tell_masks_apart(tmp_path):
    root = put(tmp_path / "tile", "good/*.jpg")
    for stem in ("A", "a"):
        save(root / "crack" / f"{stem}.jpg", random_image(ord(stem)))
        save(root / "masks" / f"{stem}.png", blob(ord(stem)))
    listing = list_tree(root, "folder")
    assert [entry.mask.stem for entry in listing.entries if entry.defect] == ["A", "a"]
    (root / "masks" / "A.png").unlink()
    (error,) = list_tree(root, "folder").errors
    assert error.file == str(root / "crack" / "A.jpg")


def test_split_files_and_archives_pair_names_in_either_form(tmp_path):
    nfc, nfd = (unicodedata.normalize(form, "Prüfling") for form in ("NFC", "NFD"))
    root = put(tmp_path / "tile", "good/*.jpg")
    save(root / nfd / f"{nfd}.jpg", random_image(1))
    save(root / nfd / f"{nfd}.png", blob(1))
    write_split(root, {nfc: [f"{nfc}.jpg"], "good": ["000.jpg"]}, {})
    listing = list_tree(root, "folder")
    assert Counter(entry.defect for entry in listing.entries) == {nfc: 1, None: 1}
    archive = mvtec_tree(tmp_path / "lid", types=("bent",))
    save(archive / "test" / nfd / f"{nfd}.png", random_image(2))
    save(archive / "ground_truth" / nfc / f"{nfc}_mask.png", blob(2))
    listing = list_tree(archive)
    assert listing.problems == ()
    assert types(listing) == {None, "bent", nfc}


# Files at any depth, and many of them

NAMES = [
    *("a.png", "a_mask.png", "000.png", "0_depth.png", "a.pcd", "a.txt", "split.json", "x"),
    *("train", "good", "ground_truth", "data", "2024-05-13"),
]


def refusal(root: Path, layout: str) -> str:
    """Why a tree is not read, as far as its first sample shows; any other error than ours passes."""
    try:
        next(read(root, layout), None)
    except FlawsmithError as problem:
        return str(problem)
    return "; read"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    return {name: tree.build(tmp_path_factory.mktemp("trees") / "set") for name, tree in ARCHIVES.items()}


@pytest.mark.parametrize("name", ARCHIVES)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_stray_file_at_any_depth_ends_in_no_raw_error(built, name, data):
    root = built[name]
    folders = sorted(path.relative_to(root).as_posix() for path in [root, *root.rglob("*")] if path.is_dir())
    strays = data.draw(st.lists(st.tuples(st.sampled_from(folders), st.lists(st.sampled_from(NAMES), max_size=4))))
    content = data.draw(st.sampled_from([b"", APPLE_DOUBLE, b"1 2 3\n", b"{}"]))
    made: list[Path] = []
    try:
        for folder, names in strays:
            file = root.joinpath(folder, *names, data.draw(st.sampled_from(NAMES)))
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("xb") as out:
                    out.write(content)
            except OSError:  # a folder where the file should be, or a file where a folder
                continue
            made.append(file)
        for layout in {"auto", ARCHIVES[name].layout, "folder"}:
            assert ";" in refusal(root, layout)
    finally:
        for file in made:
            file.unlink()
        for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()


WORDS = [
    *("good", "ok", "normal", "test", "val", "train", "images", "data", "defect", "rgb", "masks", "label", "seg"),
    *("ground_truth", "crack", "pit", "crack_masks", "binary_mask", "p1", "p2", "2024-05-13", "lot 1"),
]
OPTIONS = [
    *({}, {"type_from": "last"}, {"type_from": "path"}, {"products": "one"}, {"products": "folders"}),
    *({"good": ("p*",)}, {"masks": ("seg", "label")}, {"types": ("label", "data")}),
]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_image_of_any_tree_is_left_without_a_word(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("tree")
    words = data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6))
    stems = st.sampled_from(["000", "001", "A", "a", "000_mask", "001_gt", "a_label", "x_mask"])
    places = st.tuples(st.lists(st.sampled_from(words), max_size=4), stems, st.sampled_from([".png", ".jpg"]))
    files = {root.joinpath(*folders, stem + end) for folders, stem, end in data.draw(st.lists(places, max_size=12))}
    for file in sorted(files):
        save(file, data.draw(st.sampled_from([random_image(1), blob(1)])))
    listing = list_tree(root, "folder", **data.draw(st.sampled_from(OPTIONS)))
    read_as = {file for entry in listing.entries for file in (entry.file, entry.mask)}
    named = "".join(map(str, listing.problems))
    for file in files - read_as:
        # Images beside products are counted by the folder in which they lie, or by the root.
        assert file.name in named or any(f"{up}: holds " in named for up in file.parents)
    assert len({entry.id for entry in listing.entries}) == len(listing.entries)


def test_listing_many_small_folders_takes_time_in_proportion_to_them(tmp_path):
    image, mask = save(tmp_path / "a.png", random_image(1)), save(tmp_path / "b.png", blob(1))
    spent = []
    for count in (40, 160):
        root = tmp_path / f"{count}"
        for n in range(count):
            for place, file in (("ng/scratch", image), ("masks/scratch", mask), ("good", image)):
                folder = root / place / f"S{n:04}"
                folder.mkdir(parents=True)
                for camera in range(3):
                    (folder / f"{camera}.png").hardlink_to(file)
        spent.append(min(timeit.repeat(lambda root=root: list_tree(root, "folder"), number=1, repeat=3)))
    assert spent[1] < 9 * spent[0] + 0.05
