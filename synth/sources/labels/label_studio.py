"""Label Studio's JSON export: polygons, rectangles and ellipses in percent of the image, and brush strokes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from synth.errors import SourceError
from synth.sources.labels.labelled import Labelled, read_json
from synth.sources.labels.marks import Ellipse, Pixels, Polygon, Shape, box

KINDS = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels")


def is_label_studio(file: Path, content: Any) -> bool:
    return (
        isinstance(content, list)
        and bool(content)
        and isinstance(content[0], dict)
        and "data" in content[0]
        and bool({"annotations", "completions"} & content[0].keys())
    )


def read_label_studio(file: Path) -> Iterator[Labelled]:
    """Every task with a finished annotation, of several the last; a task without any is left out, since nobody has
    looked at it yet."""
    for task in read_json(file):
        finished = [one for one in task.get("annotations", task.get("completions", ())) if not _is_cancelled(one)]
        if not finished:
            continue
        shapes: dict[str, list[Shape]] = defaultdict(list)
        size = None
        for result in finished[-1]["result"]:
            kind = next((kind for kind in KINDS if kind in result.get("value", {})), None)
            if kind is None:
                continue
            size = int(result["original_height"]), int(result["original_width"])
            for label in result["value"][kind]:
                shapes[str(label)].append(_shape(file, kind, result["value"], size))
        yield Labelled(_image(file, task["data"]), {name: tuple(some) for name, some in shapes.items()}, size)


def _is_cancelled(annotation: dict[str, Any]) -> bool:
    return bool(annotation.get("was_cancelled"))


def _image(file: Path, data: dict[str, Any]) -> str:
    """The image's name: an upload's has a random prefix of eight characters, local storage names it in a query."""
    url = next((str(data[key]) for key in ("image", "img", "url") if key in data), None)
    url = url or next((value for value in data.values() if isinstance(value, str)), None)
    if url is None:
        raise SourceError(f"{file}: a task names no image; export it again")
    parts = urlsplit(url)
    local = parse_qs(parts.query).get("d")
    name = PurePosixPath(local[0] if local else unquote(parts.path))
    upload = "upload" in name.parts and name.name[8:9] == "-"
    return name.name[9:] if upload else str(name).lstrip("/")


def _shape(file: Path, kind: str, value: dict[str, Any], size: tuple[int, int]) -> Shape:
    height, width = size
    if kind == "polygonlabels":
        return Polygon(tuple(number / 100 for point in value["points"] for number in point), shares=True)
    if kind == "brushlabels":
        alpha = decoded_brush(bytes(value["rle"])).reshape(height, width, 4)[..., 3]
        return Pixels(np.packbits(alpha > 127).tobytes(), (0, 0, height, width))
    if kind == "ellipselabels":
        centre = value["x"] * width / 100, value["y"] * height / 100
        axes = value["radiusX"] * width / 100, value["radiusY"] * height / 100
        return Ellipse(*centre, *axes, float(value.get("rotation", 0)))
    if value.get("rotation"):
        raise SourceError(f"{file}: a turned rectangle is not understood; draw a polygon")
    left, top = value["x"] / 100, value["y"] / 100
    return box(left, top, left + value["width"] / 100, top + value["height"] / 100, shares=True)


def decoded_brush(packed: bytes) -> np.ndarray:
    """The values, uint8, of a stroke as thi.ng's rle-pack writes them: their number (32 bits), bits a value less 1 (5),
    four sizes of run lengths less 1 (4 each); then runs: a bit (1 = one value repeated), which size (2), the length
    less 1, and the value or values."""
    bits = np.unpackbits(np.frombuffer(packed, np.uint8))
    place = 0

    def read(count: int) -> int:
        nonlocal place
        value = int("".join(map(str, bits[place : place + count])), 2)
        place += count
        return value

    number, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values = np.zeros(number, np.uint8)
    weights = 1 << np.arange(word)[::-1]
    done = 0
    while done < number:
        repeated, length = read(1), read(sizes[read(2)]) + 1
        if repeated:
            values[done : done + length] = read(word)
        else:
            found = bits[place : place + length * word].reshape(length, word) @ weights
            values[done : done + length] = found
            place += length * word
        done += length
    return values
