"""Run lengths in a CSV, as in Severstal's steel sheets: ImageId, ClassId, EncodedPixels, or ImageId_ClassId in one.

Pairs of a first pixel, counted from 1 down the columns, and a length. Images without a row, or without pixels in it,
are good.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from synth.errors import SourceError
from synth.sources.labels.labelled import Labelled, label_text
from synth.sources.labels.marks import Shape, Spans

COLUMN = "EncodedPixels"


def is_severstal(text: str) -> bool:
    return COLUMN in text.partition("\n")[0]


def read_severstal(file: Path, images: Sequence[str]) -> Iterator[Labelled]:
    """Every image of the file, and those of `images` (names) without a row in it."""
    found: dict[str, dict[str, list[Shape]]] = defaultdict(lambda: defaultdict(list))
    for number, row in enumerate(csv.DictReader(label_text(file).splitlines()), start=2):
        joined = row.get("ImageId_ClassId")
        image, kind = joined.rsplit("_", 1) if joined else (row["ImageId"], row["ClassId"])
        own = found[image]
        if row[COLUMN] and row[COLUMN].strip():
            own[kind].append(_spans(file, number, row[COLUMN]))
    for image in images:
        found[image]
    for image, shapes in found.items():
        yield Labelled(image, {kind: tuple(some) for kind, some in shapes.items()})


def _spans(file: Path, number: int, text: str) -> Spans:
    try:
        values = [int(word) for word in text.split()]
    except ValueError as problem:
        raise SourceError(f"{file}:{number}: {problem}; wanted pairs of a first pixel and a length") from problem
    if len(values) % 2:
        raise SourceError(f"{file}:{number}: {len(values)} numbers, wanted pairs of a first pixel and a length")
    return Spans(tuple(values))
