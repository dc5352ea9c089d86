"""What holds for every format of the registry; a new one needs a line in READERS."""

import io
import json
import os
import tarfile
import tempfile
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from synth.errors import WriterError
from synth.io.names import file_name
from synth.sample import Cloud, Sample
from synth.sources import read
from synth.sources.labels.coco import decoded_counts
from synth.sources.labels.marks import Runs
from synth.writers import WRITERS, webdataset, write
from synth.writers.regions import regions
from synth.writers.sink import FolderSink
from tests.synth.writers.held import MASKS, hard_samples, sample, with_depth, with_instances, written

NUMBERED = {"mvtec_3d", "anomaly_shapenet", "real3d_ad"}
"""Published trees that count files from 0, so that their names follow the order of the samples."""
ROWS = {"parquet", "webdataset"}
"""What keeps samples in the order in which they come."""
CLOUDS = {"anomaly_shapenet", "real3d_ad", "ply"}
"""What has no images; read back in `test_geometry`."""
APART = sorted(name for name, form in WRITERS.items() if form.apart)


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch):
    """What reaches the disk when is tested elsewhere."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def given_samples():
    return [with_depth(number) for number in range(6)]


@pytest.mark.parametrize("name", WRITERS)
def test_a_format_gives_the_same_bytes_each_time(name, given_samples):
    first = written(name, given_samples)
    assert first == written(name, given_samples)
    here = tempfile.gettempdir().encode()
    assert not any(here in content for content in first.values())


@pytest.mark.parametrize("name", sorted(WRITERS.keys() - NUMBERED - ROWS))
@settings(max_examples=6, deadline=None, derandomize=True)
@given(order=st.permutations(range(6)))
def test_a_format_of_files_is_the_same_in_every_order_of_the_samples(name, given_samples, order):
    assert written(name, [given_samples[place] for place in order]) == written(name, given_samples)


@pytest.mark.parametrize("name", sorted(NUMBERED | ROWS))
@settings(max_examples=4, deadline=None, derandomize=True)
@given(order=st.permutations(range(6)))
def test_a_format_that_keeps_the_order_has_the_same_ids_in_every_order(name, given_samples, order):
    assert ids(written(name, [given_samples[place] for place in order])) == ids(written(name, given_samples))


def ids(files):
    """What the files of a numbered tree or of rows call their samples, in alphabetical order; of clouds the contents,
    since these trees name nothing."""
    if "names.json" in files:
        return sorted(json.loads(files["names.json"]).values())
    rows = [content for name, content in sorted(files.items()) if name.endswith(".parquet")]
    if rows:
        return sorted(row for content in rows for row in pq.read_table(io.BytesIO(content))["id"].to_pylist())
    tars = [content for name, content in sorted(files.items()) if name.endswith(".tar")]
    if tars:
        return sorted(name for content in tars for name in tarfile.open(fileobj=io.BytesIO(content)).getnames())
    return sorted(files.values())


def read_folder(folder, **options):
    """By this project's reader."""
    for one in read(folder, **options):
        yield one.image, one.mask, one.defect, one.split


def read_mmseg(folder):
    names = (folder / "classes.txt").read_text(encoding="utf-8").splitlines()
    for file in sorted(folder.glob("img_dir/*/*.png")):
        numbers = np.asarray(Image.open(folder / "ann_dir" / file.parent.name / file.name))
        kind = names[numbers.max()] if numbers.any() else None
        split = {"val": "validation"}.get(file.parent.name, file.parent.name)
        yield np.asarray(Image.open(file)), numbers > 0, kind, split


def read_voc(folder):
    names = (folder / "classes.txt").read_text(encoding="utf-8").splitlines()
    for split in ("train", "val", "test"):
        for stem in (folder / f"ImageSets/Segmentation/{split}.txt").read_text(encoding="utf-8").splitlines():
            classes, objects = (
                np.asarray(Image.open(folder / f"Segmentation{kind}" / f"{stem}.png")) for kind in ("Class", "Object")
            )
            assert np.array_equal(classes > 0, objects > 0)
            root = ElementTree.parse(folder / f"Annotations/{stem}.xml").getroot()
            kinds = {one.findtext("name") for one in root.iter("object")}
            assert kinds == ({names[classes.max() - 1]} if classes.any() else set())
            for number, one in enumerate(root.iter("object"), start=1):
                rows, columns = np.nonzero(objects == number)
                corners = [int(one.findtext(f"bndbox/{name}")) for name in ("xmin", "ymin", "xmax", "ymax")]
                assert corners == [columns.min() + 1, rows.min() + 1, columns.max() + 1, rows.max() + 1]
            image = np.asarray(Image.open(folder / "JPEGImages" / root.findtext("filename")))
            yield image, classes > 0, next(iter(kinds), None), {"val": "validation"}.get(split, split)


def read_yolo_boxes(folder):
    """Boxes mark no pixels: what is told of a mask is the outline of all of them."""
    settings = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
    for split in ("train", "val", "test"):
        for file in sorted((folder / settings[split]).iterdir()):
            image = np.asarray(Image.open(file))
            mask, kind = np.zeros(image.shape[:2], bool), None
            for row in (folder / "labels" / split / f"{file.stem}.txt").read_text().splitlines():
                number, *shares = row.split()
                x, y, w, h = np.array(shares, float) * np.tile(image.shape[1::-1], 2)
                left, top, right, bottom = np.rint([x - w / 2, y - h / 2, x + w / 2, y + h / 2]).astype(int)
                mask[top:bottom, left:right] = True
                kind = settings["names"][int(number)]
            yield image, mask, kind, {"val": "validation"}.get(split, split)


def read_parquet(folder):
    from datasets import load_dataset

    files = {file.name.split("-")[0]: str(file) for file in folder.glob("*.parquet")}
    for split, rows in load_dataset("parquet", data_files=files, cache_dir=str(folder / "cache")).items():
        for row in rows:
            kind = rows.features["defect"].int2str(row["defect"])
            mask = np.asarray(row["mask"]) > 0
            yield np.asarray(row["image"]), mask, None if kind == "good" else kind, str(split)


def read_webdataset(folder):
    import webdataset

    for file in sorted(folder.glob("*.tar")):
        for row in webdataset.WebDataset(str(file), shardshuffle=False).decode("rgb8"):
            kind = row["json"]["defect"]
            mask = row["mask.png"][..., 0] > 0
            yield row["png"], mask, None if kind == "good" else kind, file.name.rpartition("-")[0]


READERS = {
    "mvtec": lambda folder: read_folder(folder, layout="mvtec_ad"),
    "mvtec_3d": lambda folder: read_folder(folder, layout="mvtec_3d"),
    "mvtec_ad_2": lambda folder: read_folder(folder, layout="mvtec_ad"),
    "visa": lambda folder: read_folder(folder, layout="visa"),
    "parquet": read_parquet,
    "webdataset": read_webdataset,
    "yolo_detect": read_yolo_boxes,
    "voc": read_voc,
    "mmseg": read_mmseg,
    **dict.fromkeys(("coco", "coco_polygon", "fiftyone", "yolo_seg", "cvat", "label_studio", "labelme"), read_folder),
}
"""Format -> what reads image, mask, type and split of each sample."""
LOSSLESS = ["mvtec", "mvtec_ad_2", "visa", "coco", "voc", "mmseg", "fiftyone", "cvat", "label_studio"]
"""Formats that keep every pixel of a mask, whoever reads them."""
FOLDER_NAMES = {"mvtec", "mvtec_3d", "mvtec_ad_2", "visa"}
"""Formats in which a type is a folder's name, or as good as one."""


@pytest.mark.parametrize("name", sorted(WRITERS.keys() - CLOUDS))
def test_a_format_is_read_back_with_equal_images_masks_types_and_splits(name, tmp_path):
    samples = [with_depth(number) for number in range(4)] if name == "mvtec_3d" else hard_samples()
    write(samples, tmp_path / "out", format=name)
    again = {image.tobytes(): rest for image, *rest in READERS[name](tmp_path / "out")}
    assert len(again) == len(samples)
    for one in samples:
        mask, kind, split = again[one.image.tobytes()]
        mask = np.zeros(one.mask.shape, bool) if mask is None else mask
        assert np.array_equal(mask, boxed(one) if name == "yolo_detect" else one.mask), one.id
        assert kind == told(name, one.defect)
        if WRITERS[name].splits and name != "cvat":
            assert split == one.split


@pytest.mark.parametrize("name", [*LOSSLESS, "coco_polygon", "yolo_seg", "labelme"])
@settings(max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate])
@given(masks=st.lists(MASKS.filter(lambda mask: mask.any()), min_size=4, max_size=4))
def test_random_masks_are_read_back_bit_by_bit(name, masks):
    # Readers take masks of more than half of an image for inverted ones.
    masks = [np.pad(mask, ((0, mask.shape[0]), (0, mask.shape[1]))) for mask in masks]
    samples = [sample(f"{number}", mask, "crack", number, split="train") for number, mask in enumerate(masks)]
    samples.append(sample("good", np.zeros((23, 27), bool), None, 4, split="train"))
    with TemporaryDirectory() as folder:
        write(samples, Path(folder) / "out", format=name)
        again = {(image.shape, image.tobytes()): mask for image, mask, *_ in READERS[name](Path(folder) / "out")}
    for one in samples[:-1]:
        assert np.array_equal(again[one.image.shape, one.image.tobytes()], one.mask)


def told(name, kind):
    """What a format calls a type."""
    if kind is None or name not in FOLDER_NAMES:
        return kind
    return "bad" if name == "mvtec_ad_2" else file_name(kind)


def boxed(one):
    mask = np.zeros(one.mask.shape, bool)
    for left, top, width, height in (region.box for region in regions(one)):
        mask[top : top + height, left : left + width] = True
    return mask


@pytest.mark.parametrize("name", ["coco", "coco_polygon", "fiftyone", "label_studio", "cvat", "voc", "yolo_detect"])
def test_a_format_of_instances_tells_instances_apart_that_touch(name):
    files = written(name, [with_instances()])
    counted = {
        "coco": lambda: len(json.loads(files["annotations/instances_val.json"])["annotations"]),
        "coco_polygon": lambda: len(json.loads(files["annotations/instances_val.json"])["annotations"]),
        "fiftyone": lambda: len(json.loads(files["val/labels.json"])["annotations"]),
        "label_studio": lambda: len(json.loads(files["tasks.json"])[0]["annotations"][0]["result"]),
        "cvat": lambda: files["annotations.xml"].count(b"<mask "),
        "voc": lambda: next(content for file, content in files.items() if file.endswith(".xml")).count(b"<object>"),
        "yolo_detect": lambda: next(content for file, content in files.items() if "labels/" in file).count(b"\n"),
    }
    assert counted[name]() == 3


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (None, "no sample to write"),
        (Sample("a", mask=np.ones((4, 5), bool), product="p", defect="d"), "a has neither an image nor a cloud"),
        (Sample("a", np.zeros((4, 5, 3), np.uint8), product="p", defect="d"), "a is a d without a mask"),
        (Sample("a", cloud=Cloud(np.ones((9, 3), np.float32)), product="p", defect="d"), "a is a d without a mask"),
        ("text", "wanted a Sample"),
        (sample("b", np.zeros((4, 5), bool), "good"), "would share the folder good"),
        (sample("b", np.ones((4, 5), bool), None, product="TILE ß"), "would share one folder"),
    ],
)
def test_what_no_format_can_hold_is_refused_and_leaves_nothing(name, broken, message, tmp_path):
    samples = [] if broken is None else [with_depth(0), broken]
    with pytest.raises(WriterError, match=message):
        write(samples, tmp_path / "out", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", APART)
def test_a_sample_without_an_image_or_that_is_there_twice_is_refused(name, tmp_path):
    cloud = Sample("a", cloud=Cloud(np.ones((9, 3), np.float32)), product="p")
    with pytest.raises(WriterError, match=r"a (lacks an image; choose another format|has json, ply, the first sample)"):
        write([with_depth(0), cloud], tmp_path / "out", name)
    with pytest.raises(WriterError, match="is there twice; write each sample once"):
        write([with_depth(1), with_depth(1)], tmp_path / "out", name)
    (tmp_path / "out").mkdir()
    with pytest.raises(WriterError):
        write([], tmp_path / "out", name)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", sorted(set(APART) - {"mvtec_ad_2", "visa", "webdataset"}))
def test_a_defect_without_a_pixel_is_not_called_good(name):
    with pytest.raises(WriterError, match="a has a black mask, so this format would call it good"):
        written(name, [Sample("a", np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), bool), product="p", defect="d")])


@pytest.mark.parametrize("name", APART)
def test_samples_of_one_id_stay_apart_and_images_are_kept_bit_by_bit(name):
    black = np.zeros((6, 7), bool)
    some = [sample("a", black, None, seed, split="train") for seed in range(3)]
    files = written(name, some)
    if name == "webdataset":
        (tar,) = (content for file, content in files.items() if file.endswith(".tar"))
        with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
            files = {file: opened.extractfile(file).read() for file in opened.getnames()}
    pixels = [np.asarray(Image.open(io.BytesIO(content))) for file, content in files.items() if file.endswith(".png")]
    kept = {image.tobytes() for image in pixels if image.ndim == 3}
    assert kept == {one.image.tobytes() for one in some}


@pytest.mark.parametrize("name", ["mvtec", *APART])
def test_a_folder_says_what_it_is_and_on_which_terms(name, given_samples):
    note = written(name, given_samples)["README.txt"].decode()
    assert note.endswith("The terms of the real images hold for everything here.\n")
    assert max(map(len, note.splitlines())) <= 120


@pytest.mark.parametrize("name", APART)
def test_awkward_names_of_products_and_types_are_written(name, tmp_path):
    black = np.zeros((6, 7), bool)
    kinds = ["a\nb", "\x00", "..", "CON", "ä" * 200, "#0", "<&>", "{split}", "50%", " lead"]
    some = [sample(f"{kind}.png", ~black, kind, seed, product=f"{seed} {kind}") for seed, kind in enumerate(kinds)]
    write([*some, sample("good", black, None, 99)], tmp_path / "out", name)
    assert list((tmp_path / "out").rglob("*"))
    for file in (tmp_path / "out").rglob("*.xml"):
        ElementTree.parse(file)


def test_a_killed_export_is_cleared_by_the_next(tmp_path, given_samples):
    left = tmp_path / "out" / ".export.0.part" / "images"
    left.mkdir(parents=True)
    (left / "half.png").write_bytes(b"half")
    write(given_samples, tmp_path / "out", "coco")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.txt", "annotations", "images"]


def test_images_are_not_kept_in_memory():
    taken = []

    def stream():
        for number in range(40):
            taken.append(number)
            yield with_depth(number)

    class Spy(FolderSink):
        def __init__(self):
            self.seen = []

        def put(self, name, file):
            self.seen.append(len(taken))

    for name in set(APART) - {"webdataset"}:
        taken.clear()
        spy = Spy()
        WRITERS[name].write(stream(), spy)
        assert spy.seen[:3] <= [1, 2, 3], name


def test_shards_of_tars_are_bounded_and_hold_every_sample_once(tmp_path, given_samples):
    webdataset.write(iter(given_samples), FolderSink(tmp_path), shard_bytes=6000)
    tars = sorted(tmp_path.glob("train-*.tar"))
    assert len(tars) > 1
    names = [name for tar in [*tars, *tmp_path.glob("test-*.tar")] for name in tarfile.open(tar).getnames()]
    assert len(names) == len(set(names)) == 4 * len(given_samples)
    assert {name.split(".", 1)[1] for name in names} == {"json", "png", "mask.png", "xyz.npy"}
    for tar in tars:
        with tarfile.open(tar) as opened:
            assert {(member.mtime, member.uid, member.uname) for member in opened} == {(0, 0, "")}
            assert sum(member.size for member in opened) <= 6000


def test_ids_of_coco_stay_when_samples_are_added(given_samples):
    def marks(samples):
        content = json.loads(written("coco", samples)["annotations/instances_train.json"])
        return {one["id"] for one in content["annotations"]}, {one["id"] for one in content["images"]}

    for few, many in zip(marks(given_samples[:3]), marks(given_samples), strict=True):
        assert few < many
        assert all(0 < number < 2**53 for number in many)


def test_coco_says_area_and_box_of_each_instance():
    content = json.loads(written("coco", [with_instances()])["annotations/instances_val.json"])
    (image,) = content["images"]
    for mark in content["annotations"]:
        mask = np.zeros((image["height"], image["width"]), bool)
        Runs(decoded_counts(mark["segmentation"]["counts"])).draw(mask)
        rows, columns = np.nonzero(mask)
        left, top = int(columns.min()), int(rows.min())
        assert mark["bbox"] == [left, top, int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
        assert (mark["area"], mark["iscrowd"], mark["category_id"]) == (mask.sum(), 0, 1)
