"""CVAT for images 1.1; CVAT itself is not needed to write it:

images/NAME.png         what a task is made of
annotations.xml         a mask for each instance, none on a good image; the split is the image's subset

Make a task of the images with the labels that the file names, then upload it as "CVAT 1.1".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from synth.sample import Sample
from synth.writers.labelled import Labelled, Size, classes, collect, write_note
from synth.writers.regions import Region
from synth.writers.runs import box_run_lengths
from synth.writers.sink import FolderSink

Attributes = dict[str, str]
_NOTE = """\
    images/           the images: make a task of them, with the labels of classes.txt
    annotations.xml   their masks: upload them to the task as "CVAT 1.1"; an image without any is good
    classes.txt       the labels

"""


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write it. WriterError for a sample without an image, or a defective one without a mask."""
    found = collect(samples, sink, "images", _masks)
    names = classes(found)
    sink.put("annotations.xml", _xml(found, names))
    sink.put("classes.txt", "".join(f"{name}\n" for name in names).encode())
    write_note(sink, "Images and masks for CVAT", _NOTE)


def _masks(found: list[Region], size: Size) -> list[Attributes]:
    """The attributes of a mask element for each region."""
    marks = []
    for region in found:
        left, top, width, height = region.box
        box = {"left": left, "top": top, "width": width, "height": height}
        lengths = ", ".join(map(str, box_run_lengths(region)))
        fixed = {"source": "file", "occluded": "0", "rle": lengths, "z_order": "0"}
        marks.append(fixed | {name: str(value) for name, value in box.items()})
    return marks


def _xml(found: Sequence[Labelled[list[Attributes]]], names: Sequence[str]) -> bytes:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "name").text = "flawsmith"
    labels = ElementTree.SubElement(task, "labels")
    for name in names:
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        ElementTree.SubElement(label, "type").text = "mask"
        ElementTree.SubElement(label, "attributes")
    for number, one in enumerate(found):
        size = {"width": str(one.size[1]), "height": str(one.size[0])}
        image = ElementTree.SubElement(root, "image", {"id": str(number), "name": one.file, "subset": one.split} | size)
        for mark in one.shapes:
            ElementTree.SubElement(image, "mask", {"label": str(one.kind)} | mark)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
