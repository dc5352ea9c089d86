"""COCO instance labels: one JSON file for many images (Lin et al. 2014, format "object detection")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synth.errors import SourceError
from synth.sources.labels.labelled import Labelled, read_json
from synth.sources.labels.marks import Polygon, Runs, Shape


def is_coco(file: Path, content: Any) -> bool:
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def read_coco(file: Path) -> Iterator[Labelled]:
    """Every image that the file lists, also those without a label."""
    content = read_json(file)
    names = {category["id"]: str(category["name"]) for category in content["categories"]}
    shapes: dict[Any, dict[str, list[Shape]]] = defaultdict(lambda: defaultdict(list))
    for label in content["annotations"]:
        found = list(_shapes(file, label))
        shapes[label["image_id"]][names[label["category_id"]]] += found
    for image in content["images"]:
        size = (int(image["height"]), int(image["width"])) if image.get("height") else None
        own = {name: tuple(some) for name, some in shapes[image["id"]].items() if some}
        yield Labelled(str(image["file_name"]), own, size)


def _shapes(file: Path, label: dict[str, Any]) -> Iterator[Shape]:
    segmentation = label.get("segmentation")
    if isinstance(segmentation, dict):
        height, width = segmentation["size"]
        counts = segmentation["counts"]
        runs = decoded_counts(counts) if isinstance(counts, str) else tuple(int(count) for count in counts)
        yield Runs(runs, (0, 0, int(height), int(width)))
    elif segmentation:
        yield from (Polygon(tuple(float(n) for n in points)) for points in segmentation)
    else:
        raise SourceError(
            f"{file}: label {label.get('id')} is a box without a segmentation, which marks no pixels; export masks or "
            "polygons"
        )


def decoded_counts(text: str) -> tuple[int, ...]:
    """The run lengths in COCO's compressed form: numbers of 5 bits a character from ASCII 48 on, the sixth says that
    more follow; from the third on each is the difference to the one two before."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        value = shift = 0
        more = True
        while more:
            bits = ord(text[place]) - 48
            value |= (bits & 0x1F) << shift
            more, shift, place = bool(bits & 0x20), shift + 5, place + 1
            if not more and bits & 0x10:
                value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return tuple(counts)
