"""Tasks for Label Studio; Label Studio itself is not needed to write them:

images/<split>/NAME.png     for local storage; a task names its image by /data/local-files/?d=images/<split>/NAME.png
tasks.json                  a brush stroke for each instance, a finished annotation without any for a good image
config.xml                  the labelling interface that goes with them
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from synth.io.json_text import json_text
from synth.sample import Sample
from synth.writers.labelled import Labelled, Size, classes, collect, write_note
from synth.writers.regions import Region
from synth.writers.runs import brush_stroke
from synth.writers.sink import FolderSink

Stroke = list[int]
_NOTE = """\
    config.xml   paste it as the labelling interface of a project
    images/      add the folder that holds it as local storage, with
                 LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=<this folder>
    tasks.json   import it; an image without a stroke is good

"""


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write them. WriterError for a sample without an image, or a defective one without a mask."""
    found = collect(samples, sink, "images/{split}", _strokes)
    sink.put("tasks.json", json_text([_task(one) for one in found]).encode())
    sink.put("config.xml", _config(classes(found)))
    write_note(sink, "Tasks for Label Studio", _NOTE)


def _strokes(found: list[Region], size: Size) -> list[Stroke]:
    return [brush_stroke(region, size) for region in found]


def _task(one: Labelled[list[Stroke]]) -> dict[str, Any]:
    marks = [
        {
            "id": f"{one.name[-10:]}-{number}",
            "type": "brushlabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": one.size[1],
            "original_height": one.size[0],
            "image_rotation": 0,
            "value": {"format": "rle", "rle": stroke, "brushlabels": [one.kind]},
        }
        for number, stroke in enumerate(one.shapes)
    ]
    image = f"/data/local-files/?d=images/{one.split}/{quote(one.file)}"
    data = {"image": image, "sample": one.id, "product": one.product, "split": one.split}
    return {"data": data, "annotations": [{"result": marks}]}


def _config(names: Sequence[str]) -> bytes:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", {"name": "image", "value": "$image"})
    labels = ElementTree.SubElement(view, "BrushLabels", {"name": "label", "toName": "image"})
    for name in names:
        ElementTree.SubElement(labels, "Label", {"value": name})
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="utf-8") + b"\n"
