"""CVAT for images 1.1: one XML file with polygons, masks, boxes and ellipses of many images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from synth.errors import SourceError
from synth.sources.labels.labelled import Labelled, label_text
from synth.sources.labels.marks import Ellipse, Polygon, Runs, Shape, box


def is_cvat(text: str) -> bool:
    return "<annotations>" in text[:2000]


def read_cvat(file: Path) -> Iterator[Labelled]:
    """Every image of the file, also those without a label."""
    text = label_text(file)
    if "<!DOCTYPE" in text:
        raise SourceError(f"{file} declares a document type, which no export of CVAT does; export the labels again")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as problem:
        raise SourceError(f"{file}: not valid XML ({problem}); export the labels again") from problem
    if root.find("track") is not None:
        raise SourceError(f"{file} holds tracks of a video; export it as CVAT for images")
    for image in root.iter("image"):
        shapes: dict[str, list[Shape]] = defaultdict(list)
        for element in image:
            if element.tag != "tag":
                shapes[element.get("label", "")].append(_shape(file, element))
        size = int(image.get("height", 0)), int(image.get("width", 0))
        labels = {name: tuple(some) for name, some in shapes.items()}
        yield Labelled(image.get("name", ""), labels, size if all(size) else None)


def _shape(file: Path, element: ElementTree.Element) -> Shape:
    def number(name: str) -> float:
        return float(element.get(name, "nan"))

    if element.tag == "polygon":
        points = element.get("points", "").replace(";", ",").split(",")
        return Polygon(tuple(float(value) for value in points))
    if element.tag == "mask":
        counts = tuple(int(count) for count in element.get("rle", "").split(","))
        top, left, height, width = (int(number(name)) for name in ("top", "left", "height", "width"))
        return Runs(counts, (top, left, height, width), by_column=False)
    if element.tag == "box" and not float(element.get("rotation", 0)):
        return box(number("xtl"), number("ytl"), number("xbr"), number("ybr"))
    if element.tag == "ellipse":
        return Ellipse(number("cx"), number("cy"), number("rx"), number("ry"), float(element.get("rotation", 0)))
    raise SourceError(f"{file}: a {element.tag} has no area that could be a mask; draw polygons, masks or ellipses")
