"""labelme: a JSON file beside each image, with polygons, rectangles, circles and painted masks."""

from __future__ import annotations

import base64
import io
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from synth.errors import SourceError
from synth.sources.labels.labelled import Labelled, read_json
from synth.sources.labels.marks import Ellipse, Pixels, Polygon, Shape, box


def is_labelme(file: Path, content: Any) -> bool:
    return isinstance(content, dict) and {"shapes", "imagePath"} <= content.keys()


def read_labelme(file: Path) -> Iterator[Labelled]:
    """The one image of the file."""
    content = read_json(file)
    shapes: dict[str, list[Shape]] = defaultdict(list)
    for shape in content["shapes"]:
        shapes[str(shape["label"])].append(_shape(file, shape))
    size = (int(content["imageHeight"]), int(content["imageWidth"])) if content.get("imageHeight") else None
    name = str(content["imagePath"]).replace("\\", "/")
    yield Labelled(name, {label: tuple(some) for label, some in shapes.items()}, size)


def _shape(file: Path, shape: dict[str, Any]) -> Shape:
    kind, points = shape.get("shape_type", "polygon"), [(float(x), float(y)) for x, y in shape["points"]]
    if kind == "polygon" and len(points) > 2:
        return Polygon(tuple(number for point in points for number in point))
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points[0], points[-1]
        return box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    if kind == "circle":
        radius = math.dist(*points[:2])
        return Ellipse(*points[0], radius, radius)
    if kind == "mask":
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as painted:
            bits = np.asarray(painted.convert("L")) > 0
        left, top = (int(number) for number in points[0])
        return Pixels(np.packbits(bits).tobytes(), (top, left, *bits.shape))
    raise SourceError(
        f"{file}: a {kind} of {len(points)} points has no area; draw polygons, circles, rectangles or masks"
    )
