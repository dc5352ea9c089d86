"""Files of labels as the tools write them: each format gives the mask that was drawn, or says why it cannot."""

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from synth.errors import SourceError
from synth.pipeline.inspect import inspect
from synth.sources import list_source, recognise
from synth.sources.config import LabelSource
from synth.sources.labels.coco import decoded_counts
from synth.sources.labels.label_studio import decoded_brush
from synth.sources.labels.marks import Ellipse, Polygon, box
from synth.sources.listing import load, samples
from synth.split import make_split
from tests.synth.trees import random_image, save

SIZE = (60, 90)
CORNERS = [(20.0, 10.0), (50.0, 12.0), (48.0, 40.0), (22.0, 38.0)]
"""x, y of a scratch; a dent is 30 px to the right of it."""


def truth(shift=0):
    """The mask of the polygon by another rasteriser, which also fills the border's pixels."""
    image = Image.new("1", SIZE[::-1])
    ImageDraw.Draw(image).polygon([(x + shift - 0.5, y - 0.5) for x, y in CORNERS], fill=1)
    return np.asarray(image)


def flat(points=CORNERS, scale=(1.0, 1.0)):
    return [value * scale[axis] for point in points for axis, value in enumerate(point)]


def runs_by_column(mask):
    """COCO's run lengths, which begin with zeros."""
    values = mask.T.ravel()
    starts = np.flatnonzero(np.diff(values.astype(int))) + 1
    counts = np.diff([0, *starts, len(values)]).tolist()
    return [0, *counts] if values[0] else counts


def packed_counts(counts):
    """COCO's compressed run lengths, written after its description."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            text += chr(48 + (bits | (0x20 if more else 0)))
    return text


def packed_brush(values, repeat):
    """Label Studio's strokes: runs of one value where `repeat`, else literal ones, 16 at a time."""
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    place = 0
    while place < len(values):
        length = 1
        if repeat:
            while place + length < len(values) and values[place + length] == values[place] and length < 60000:
                length += 1
            bits += f"1{3:02b}{length - 1:016b}{values[place]:08b}"
        else:
            length = min(16, len(values) - place)
            bits += f"0{1:02b}{length - 1:04b}" + "".join(f"{value:08b}" for value in values[place : place + length])
        place += length
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def images(root, names=("a", "b", "c", "fine"), suffix=".png", folder=""):
    for number, name in enumerate(names):
        save(root / folder / f"{name}{suffix}", random_image(number, *SIZE))
    return root


def coco(root, segmentation=None):
    images(root)
    listed = [{"id": n, "file_name": f"{name}.png", "height": 60, "width": 90} for n, name in enumerate("abc")]
    listed.append({"id": 9, "file_name": "fine.png", "height": 60, "width": 90})
    labels = [
        {"id": n, "image_id": n, "category_id": 5, "iscrowd": 0, "segmentation": segmentation or [flat()]}
        for n in range(3)
    ]
    content = {"images": listed, "annotations": labels, "categories": [{"id": 5, "name": "scratch"}]}
    (root / "annotations.json").write_text(json.dumps(content))


def coco_runs(root):
    coco(root, {"size": list(SIZE), "counts": runs_by_column(truth())})


def coco_packed(root):
    coco(root, {"size": list(SIZE), "counts": packed_counts(runs_by_column(truth()))})


def yolo(root):
    images(root, folder="images/train")
    for name in ("a", "b", "c", "fine"):
        file = root / "labels" / "train" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        row = " ".join(f"{value:.6f}" for value in flat(scale=(1 / 90, 1 / 60)))
        file.write_text("" if name == "fine" else f"1 {row}\n")
    (root / "data.yaml").write_text("names: [dent, scratch]\ntrain: images/train\n")


def labelme(root, kind="polygon"):
    images(root, ("a", "b", "c"))
    save(root / "good" / "fine.png", random_image(8, *SIZE))
    for name in "abc":
        shape = {"label": "scratch", "points": CORNERS, "shape_type": "polygon", "group_id": None, "flags": {}}
        if kind == "mask":
            cut = truth()[5:45, 10:60]
            buffer = io.BytesIO()
            Image.fromarray(cut).save(buffer, "PNG")
            painted = base64.b64encode(buffer.getvalue()).decode()
            shape |= {"shape_type": "mask", "points": [[10, 5], [60, 45]], "mask": painted}
        content = {"version": "5.4.1", "imagePath": f"{name}.png", "imageHeight": 60, "imageWidth": 90}
        (root / f"{name}.json").write_text(json.dumps(content | {"shapes": [shape], "imageData": None}))


def labelme_mask(root):
    labelme(root, "mask")


def cvat(root, kind="polygon"):
    images(root, folder="images")
    points = ";".join(f"{x},{y}" for x, y in CORNERS)
    shape = f'<polygon label="scratch" points="{points}" z_order="0"></polygon>'
    if kind == "mask":
        cut = truth()[5:45, 10:60]
        counts = runs_by_column(cut.T)
        rle = ", ".join(map(str, counts))
        shape = f'<mask label="scratch" rle="{rle}" left="10" top="5" width="50" height="40"></mask>'
    rows = [f'<image id="{n}" name="{name}.png" width="90" height="60">{shape}</image>' for n, name in enumerate("abc")]
    rows.append('<image id="9" name="fine.png" width="90" height="60"></image>')
    (root / "annotations.xml").write_text(f"<?xml version='1.0'?><annotations>{''.join(rows)}</annotations>")


def cvat_mask(root):
    cvat(root, "mask")


def label_studio(root, kind="polygonlabels", repeat=True):
    images(root)
    tasks = []
    for name in ("a", "b", "c", "fine"):
        value = {"points": [[100 * x / 90, 100 * y / 60] for x, y in CORNERS], "polygonlabels": ["scratch"]}
        if kind == "brushlabels":
            rgba = np.repeat(truth().astype(np.uint8) * 255, 4)
            value = {"format": "rle", "rle": packed_brush(rgba, repeat), "brushlabels": ["scratch"]}
        result = {"original_width": 90, "original_height": 60, "value": value, "type": kind}
        found = [] if name == "fine" else [result]
        tasks.append({"data": {"image": f"/data/upload/3/0a1b2c3d-{name}.png"}, "annotations": [{"result": found}]})
    (root / "export.json").write_text(json.dumps(tasks))


def brush(root):
    label_studio(root, "brushlabels")


def brush_literal(root):
    label_studio(root, "brushlabels", repeat=False)


FORMATS = (
    *(coco, coco_runs, coco_packed, yolo, labelme, labelme_mask, cvat, cvat_mask),
    *(label_studio, brush, brush_literal),
)


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_every_format_gives_the_mask_that_was_drawn(tmp_path, write):
    write(tmp_path)
    assert recognise(tmp_path) == "labels"
    found = {
        sample.meta["file"].rsplit("/", 1)[1]: sample for sample in samples(list_source(LabelSource(root=tmp_path)))
    }
    assert {name: sample.defect for name, sample in found.items()} == {
        **dict.fromkeys(("a.png", "b.png", "c.png"), "scratch"),
        "fine.png": None,
    }
    for name in ("a.png", "b.png", "c.png"):
        both, either = found[name].mask & truth(), found[name].mask | truth()
        assert both.sum() > 0.93 * either.sum()  # the two differ by their rule for the border
    assert not found["fine.png"].mask.any()


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_inspect_says_which_labels_were_read(tmp_path, write):
    write(tmp_path)
    report = inspect(tmp_path)
    assert report.layout == "labels"
    assert [(kind.defect, kind.train) for kind in report.kinds] == [(None, 1), ("scratch", 3)]
    assert any(
        "labels in the format of" in note and "1 images without a defect are good" in note for note in report.notes
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.98), st.integers(1, 40), st.integers(1, 40))
def test_compressed_runs_come_back(seed, share, height, width):
    mask = np.random.default_rng(seed).random((height, width)) < share
    counts = runs_by_column(mask)
    assert list(decoded_counts(packed_counts(counts))) == counts


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.booleans())
def test_strokes_come_back(seed, count, repeat):
    values = np.random.default_rng(seed).choice([0, 0, 255], count).astype(np.uint8)
    assert (decoded_brush(bytes(packed_brush(values, repeat))) == values).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_pixel_is_marked_where_its_centre_lies_inside(seed):
    rng = np.random.default_rng(seed)
    left, top = rng.uniform(0, 40, 2)
    width, height = rng.uniform(2, 20, 2)
    mask = np.zeros((60, 70), bool)
    box(left, top, left + width, top + height).draw(mask)
    rows, columns = np.mgrid[0:60, 0:70] + 0.5
    assert (mask == ((rows >= top) & (rows <= top + height) & (columns >= left) & (columns <= left + width))).all()


def test_a_polygon_thinner_than_a_pixel_is_not_lost():
    mask = np.zeros((40, 40), bool)
    Polygon((5.1, 7.6, 30.2, 7.7, 30.2, 7.75, 5.1, 7.65)).draw(mask)
    assert mask.sum() >= 20


@pytest.mark.parametrize("degrees", [0, 30, 90, 150])
def test_an_ellipse_is_turned_clockwise(degrees):
    mask = np.zeros((80, 80), bool)
    Ellipse(40, 40, 25, 6, degrees).draw(mask)
    turn = np.deg2rad(degrees)
    for step in (-20, 20):
        assert mask[int(40 + step * np.sin(turn)), int(40 + step * np.cos(turn))]
        assert not mask[int(40 + step * np.cos(turn)), int(40 - step * np.sin(turn))]


def test_an_image_with_two_types_is_read_once_for_each_and_has_one_role(tmp_path):
    images(tmp_path, tuple("abcdefgh"))
    listed = [{"id": n, "file_name": f"{name}.png", "height": 60, "width": 90} for n, name in enumerate("abcdefgh")]
    other = flat([(x + 30, y) for x, y in CORNERS])
    labels = [
        {"id": 2 * n + kind, "image_id": n, "category_id": kind, "segmentation": [points]}
        for n in range(7)
        for kind, points in enumerate((flat(), other))
    ]
    kinds = [{"id": 0, "name": "scratch"}, {"id": 1, "name": "dent"}]
    (tmp_path / "a.json").write_text(json.dumps({"images": listed, "annotations": labels, "categories": kinds}))
    source = LabelSource(root=tmp_path, test_fraction=0.4)
    found = list(samples(list_source(source)))
    assert sorted(str(sample.defect) for sample in found) == ["None", *["dent"] * 7, *["scratch"] * 7]
    split = make_split(found, source)
    files = {name: {sample.meta["file"] for sample in role} for name, role in split.roles.items()}
    assert files["test"]
    assert not (files["shot"] & files["test"]) | (files["shot"] & files["validation"])
    assert inspect(tmp_path).usable


def test_classes_choose_and_rename_types(tmp_path):
    coco(tmp_path)
    source = LabelSource(root=tmp_path, classes={"line": ("scratch",)})
    assert {entry.defect for entry in list_source(source).entries} == {"line", None}
    missing = list_source(LabelSource(root=tmp_path, classes={"line": ("scrath",)}))
    assert "no label is of class 'scrath'" in str(missing.errors[0])
    assert "scratch" in missing.errors[0].remedy


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda c: c["images"][0].update(file_name="z.png"), "labels the image z.png, which is not below"),
        (lambda c: c["images"][0].update(height=90, width=60), "source.orientation"),
        (lambda c: c["images"][0].update(height=61), "give the images that were labelled"),
        (lambda c: c["annotations"][0].update(segmentation=[]), "is a box without a segmentation"),
        (lambda c: c["annotations"][0].pop("category_id"), "is not as coco writes labels"),
        (
            lambda c: c["annotations"][0].update(segmentation={"size": [60, 90], "counts": [5, 5]}),
            "holds runs of 10 px",
        ),
        (lambda c: c["images"][1].update(file_name="a.png"), "is labelled twice"),
    ],
)
def test_labels_that_do_not_fit_their_images_are_refused_by_name(tmp_path, change, wanted):
    coco(tmp_path)
    file = tmp_path / "annotations.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(SourceError, match=wanted):
        list(samples(list_source(LabelSource(root=tmp_path))))


def test_boxes_of_yolo_and_unknown_classes_are_refused(tmp_path):
    yolo(tmp_path)
    file = tmp_path / "labels" / "train" / "a.txt"
    for row, wanted in (("1 0.5 0.5 0.1 0.1", "is a box"), ("7 0.1 0.1 0.2 0.1 0.2 0.3", "class 7 is unknown")):
        file.write_text(f"{row}\n")
        with pytest.raises(SourceError, match=wanted):
            list_source(LabelSource(root=tmp_path))


def test_boxes_of_pascal_voc_are_refused_for_what_they_are(tmp_path):
    images(tmp_path / "IMAGES")
    (tmp_path / "ANNOTATIONS").mkdir()
    box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    content = f"<annotation><filename>a.jpg</filename><object><name>crazing</name>{box}</object></annotation>"
    (tmp_path / "ANNOTATIONS" / "a.xml").write_text(content)
    (problem,) = inspect(tmp_path).problems
    assert "holds boxes of Pascal VOC, which mark no pixels" in str(problem)


def test_masks_beside_their_images_win_over_labels(tmp_path):
    labelme(tmp_path)
    for name in "abc":
        save(tmp_path / f"{name}_mask.png", truth())
    assert recognise(tmp_path) == "folder"


def test_roles_come_from_folders_and_from_the_names_of_the_files(tmp_path):
    coco(tmp_path)
    (tmp_path / "annotations.json").rename(tmp_path / "instances_val.json")
    assert {entry.split for entry in list_source(LabelSource(root=tmp_path)).entries} == {"validation"}
    assert load(list_source(LabelSource(root=tmp_path)).entries[0]).split == "validation"
