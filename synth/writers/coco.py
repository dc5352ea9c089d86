"""COCO instance segmentation (Lin et al. 2014), as pycocotools, detectron2 and mmdetection read it:

images/<split>/NAME.png                    split: train, val, test
annotations/instances_<split>.json         images, annotations, categories

`coco` has compressed run lengths, `coco_polygon` polygons; both keep every pixel (`synth.writers.outlines`). An
annotation is an instance (`synth.writers.regions`), a category a defect type, numbered from 1 in alphabetical order.
Ids of images and annotations are parts of hashes of what they name, so they are the same in every order of the samples,
and stay when others are added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from synth.io.json_text import json_text
from synth.sample import Sample
from synth.writers.labelled import Labelled, Size, by_split, classes, collect, write_note
from synth.writers.outlines import outline
from synth.writers.regions import Region
from synth.writers.runs import coco_rle
from synth.writers.sink import FolderSink

Annotation = dict[str, Any]
_ID_DIGITS = 13
"""Hexadecimal digits of an id: 52 bits, which a double, as pycocotools and JavaScript keep ids, holds exactly."""
_NOTE = """\
    images/<split>/                      the images
    annotations/instances_<split>.json   images, annotations with {form}, categories

An image without an annotation is good.
"""


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write it with run lengths. WriterError for a sample without an image, or a defective one without a mask."""
    _write(samples, sink, coco_rle, "run lengths")


def write_polygon(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write it with polygons. WriterError for a sample without an image, or a defective one without a mask."""
    _write(samples, sink, _polygons, "polygons")


def _write(
    samples: Iterable[Sample], sink: FolderSink, segmentation: Callable[[Region, Size], object], form: str
) -> None:
    found = collect(samples, sink, "images/{split}", annotating(segmentation))
    names = classes(found)
    for split, some in by_split(found):
        sink.put(f"annotations/instances_{split}.json", content(some, names))
    write_note(sink, "COCO instance segmentation", _NOTE.format(form=form))


def annotating(segmentation: Callable[[Region, Size], object]) -> Callable[[list[Region], Size], list[Annotation]]:
    """What describes regions as annotations, as far as one sample knows."""

    def describe(found: list[Region], size: Size) -> list[Annotation]:
        return [
            {"segmentation": segmentation(one, size), "bbox": list(one.box), "area": one.area, "iscrowd": 0}
            for one in found
        ]

    return describe


def content(found: Sequence[Labelled[list[Annotation]]], names: Sequence[str]) -> bytes:
    """The JSON file of these samples; names: all categories."""
    numbers = {name: number for number, name in enumerate(names, start=1)}
    images, marks = [], []
    for one in found:
        image = {"id": _id(one.name), "file_name": one.file, "height": one.size[0], "width": one.size[1]}
        images.append(image | {"sample": one.id, "product": one.product})
        for shape in one.shapes:
            mark = {"id": _id(f"{one.name}\n{shape['segmentation']}"), "image_id": image["id"]}
            marks.append(mark | {"category_id": numbers[str(one.kind)]} | shape)
    whole = {
        "info": {"description": "made by flawsmith"},
        "licenses": [],
        "categories": [{"id": numbers[name], "name": name, "supercategory": "defect"} for name in names],
        "images": images,
        "annotations": marks,
    }
    return json_text(whole).encode()


def _id(text: str) -> int:
    return int(hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_ID_DIGITS], 16) or 1


def _polygons(region: Region, size: Size) -> list[list[int]]:
    """One polygon x, y, x, y, ... in px for each connected piece."""
    return [[number for point in outline(piece) for number in point] for piece in region.pieces()]
