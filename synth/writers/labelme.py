"""labelme, which is not needed to write it:

<split>/NAME.png, <split>/NAME.json       split: train, val, test

A shape is a polygon of a connected piece of the mask; the pieces of one instance share a group. A good image has a file
without a shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from synth.io.json_text import json_text
from synth.sample import Sample
from synth.writers.labelled import Labelled, Size, collect, write_note
from synth.writers.outlines import inset_outline
from synth.writers.regions import Region
from synth.writers.sink import FolderSink

Shape = dict[str, Any]
_VERSION = "5.5.0"
"""labelme's, from which on its files are as these."""
_NOTE = """\
    <split>/NAME.png    an image
    <split>/NAME.json   its polygons, none for a good image: open the folder with labelme

"""


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write it. WriterError for a sample without an image, or a defective one without a mask."""
    for one in collect(samples, sink, "{split}", _polygons):
        sink.put(f"{one.split}/{one.name}.json", _content(one))
    write_note(sink, "Images with polygons for labelme", _NOTE)


def _polygons(found: list[Region], size: Size) -> list[Shape]:
    """Points and group of each piece."""
    shapes: list[Shape] = []
    for number, region in enumerate(found):
        pieces = region.pieces()
        group = number if len(pieces) > 1 else None
        for piece in pieces:
            points = [[round(x, 2), round(y, 2)] for x, y in inset_outline(piece)]
            shapes.append({"points": points, "group_id": group})
    return shapes


def _content(one: Labelled[list[Shape]]) -> bytes:
    fixed: Shape = {"description": "", "shape_type": "polygon", "flags": {}, "mask": None}
    content: dict[str, Any] = {
        "version": _VERSION,
        "flags": {},
        "shapes": [{"label": one.kind} | shape | fixed for shape in one.shapes],
        "imagePath": one.file,
        "imageData": None,
        "imageHeight": one.size[0],
        "imageWidth": one.size[1],
    }
    return json_text(content, ensure_ascii=False).encode()
