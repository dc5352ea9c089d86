"""Pascal VOC (Everingham et al. 2010):

JPEGImages/NAME.png                      the images, without loss: tell a reader that their names end in .png
SegmentationClass/NAME.png               by VOC's palette: 0 = background, k = the k-th class of classes.txt
SegmentationObject/NAME.png              the same palette: k = the k-th object of the image
Annotations/NAME.xml                     the objects with their class and box, counted from 1, both ends within
ImageSets/Segmentation/<split>.txt       names; also in ImageSets/Main, and trainval.txt for both
classes.txt                              the defect types in alphabetical order, which gives them their numbers

A good image has black masks and no object. An object is an instance (`synth.writers.regions`); 255 marks nothing.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from synth.errors import WriterError
from synth.io.png import png_bytes
from synth.sample import Sample
from synth.writers.labelled import MOST_CLASSES, Labelled, Size, collect, few_classes, write_note
from synth.writers.regions import Region
from synth.writers.sink import FolderSink

_NOTE = """\
    JPEGImages/            the images, as PNG
    SegmentationClass/     masks: 0 = background, k = the k-th class of classes.txt
    SegmentationObject/    masks: k = the k-th object of the image
    Annotations/           classes and boxes of the objects
    ImageSets/             the names of each split

"""


class _Objects(NamedTuple):
    """Their boxes (left, top, width, height) in px, and a grey PNG of their numbers."""

    boxes: list[tuple[int, int, int, int]]
    numbers: bytes


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write it. WriterError for a sample without an image, a defective one without a mask, and for more classes or
    objects of an image than an 8-bit mask has."""
    found = collect(samples, sink, "JPEGImages", _objects)
    names = few_classes(found)
    for one in found:
        number = 0 if one.kind is None else names.index(one.kind) + 1
        numbers = _grey(one.shapes.numbers)
        sink.put(f"SegmentationObject/{one.file}", _palette_png(numbers))
        sink.put(f"SegmentationClass/{one.file}", _palette_png(np.where(numbers > 0, number, 0)))
        sink.put(f"Annotations/{one.name}.xml", _xml(one))
    sets = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val")}
    for split, parts in sets.items():
        stems = [one.name for one in found if one.split in parts]
        listed = "".join(f"{stem}\n" for stem in stems).encode()
        sink.put(f"ImageSets/Segmentation/{split}.txt", listed)
        sink.put(f"ImageSets/Main/{split}.txt", listed)
    sink.put("classes.txt", "".join(f"{name}\n" for name in names).encode())
    write_note(sink, "The Pascal VOC layout", _NOTE)


def palette() -> list[int]:
    """VOC's colours, r, g, b of each of 256 numbers: the bits of a number are dealt to the channels in turn, the lowest
    to the highest bit of a colour."""
    numbers = np.arange(256)
    colours = np.zeros((256, 3), np.int64)
    for bit in range(8):
        channel, place = bit % 3, 7 - bit // 3
        colours[:, channel] |= (numbers >> bit & 1) << place
    return [int(value) for value in colours.ravel()]


def _objects(found: list[Region], size: Size) -> _Objects:
    if len(found) > MOST_CLASSES:
        raise WriterError(
            f"an image has {len(found)} pieces of defects, Pascal VOC numbers {MOST_CLASSES}; choose coco or mmseg"
        )
    numbers = np.zeros(size, np.uint8)
    for number, region in enumerate(found, start=1):
        numbers[region.drawn(size)] = number
    return _Objects([region.box for region in found], png_bytes(numbers, even=True))


def _grey(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as opened:
        return np.asarray(opened)


def _palette_png(numbers: np.ndarray) -> bytes:
    image = Image.fromarray(numbers.astype(np.uint8), "L")
    image.putpalette(palette())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _xml(one: Labelled[_Objects]) -> bytes:
    root = ElementTree.Element("annotation")
    _texts(root, {"folder": "JPEGImages", "filename": one.file})
    _texts(ElementTree.SubElement(root, "size"), {"width": one.size[1], "height": one.size[0], "depth": 3})
    _texts(root, {"segmented": 1})
    for left, top, width, height in one.shapes.boxes:
        found = ElementTree.SubElement(root, "object")
        _texts(found, {"name": str(one.kind), "pose": "Unspecified", "truncated": 0, "difficult": 0})
        box = {"xmin": left + 1, "ymin": top + 1, "xmax": left + width, "ymax": top + height}
        _texts(ElementTree.SubElement(found, "bndbox"), box)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _texts(parent: ElementTree.Element, values: Mapping[str, str | int]) -> None:
    for name, value in values.items():
        ElementTree.SubElement(parent, name).text = str(value)
