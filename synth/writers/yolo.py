"""YOLO, as Ultralytics reads it, for segmentation and for detection:

images/<split>/NAME.png, labels/<split>/NAME.txt         split: train, val, test; no row for a good image
data.yaml                                                the splits, and the names of the classes

A row of `yolo_seg` is a class and a polygon, one a connected piece of the mask, of `yolo_detect` a class and the box
of an instance: centre, width, height. All are shares of the image's width and height, to a thousandth of a pixel. The
polygons give the mask back, holes and all, whether a reader fills them by the centres of pixels or, as Ultralytics does
at the image's own size, cuts them to whole pixels and paints their border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import yaml

from synth.sample import Sample
from synth.writers.labelled import Labelled, Size, by_split, classes, collect, write_note
from synth.writers.outlines import inset_outline
from synth.writers.regions import Region
from synth.writers.sink import FolderSink

Rows = list[str]
_NOTE = """\
    images/<split>/NAME.png   the images
    labels/<split>/NAME.txt   a class and {form} in each row; none for a good image
    data.yaml                 what to name in training; without validation images, val names others

"""


def write_segments(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write polygons. WriterError for a sample without an image, or a defective one without a mask."""
    _write(samples, sink, _segments, "a polygon")


def write_boxes(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write boxes. WriterError for a sample without an image, or a defective one without a mask."""
    _write(samples, sink, _boxes, "a box")


def _write(
    samples: Iterable[Sample], sink: FolderSink, describe: Callable[[list[Region], Size], Rows], form: str
) -> None:
    found = collect(samples, sink, "images/{split}", describe)
    names = classes(found)
    for one in found:
        rows = [f"{names.index(str(one.kind))} {row}\n" for row in one.shapes]
        sink.put(f"labels/{one.split}/{one.name}.txt", "".join(rows).encode())
    sink.put("data.yaml", _settings(found, names))
    write_note(sink, "YOLO labels", _NOTE.format(form=form))


def _settings(found: Sequence[Labelled[Rows]], names: Sequence[str]) -> bytes:
    """data.yaml. Ultralytics wants train and val in any case: one that has no images names another."""
    there = {split: f"images/{split}" for split, _ in by_split(found)}
    some = next(iter(there.values()))
    wanted = {"train": there.get("train", some), "val": there.get("val", there.get("test", some))}
    content = wanted | there | {"names": dict(enumerate(names))}
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode()


def _segments(found: list[Region], size: Size) -> Rows:
    height, width = size
    rings = [inset_outline(piece) for region in found for piece in region.pieces()]
    return [_row(share for x, y in ring for share in (x / width, y / height)) for ring in rings]


def _boxes(found: list[Region], size: Size) -> Rows:
    height, width = size
    boxes = [region.box for region in found]
    return [_row(((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)) for x, y, w, h in boxes]


def _row(shares: Iterable[float]) -> str:
    return " ".join(f"{share:.8f}".rstrip("0").rstrip(".") for share in shares)
