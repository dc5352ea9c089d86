"""Formats of labels: one line a format, and how a file is recognised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from synth.errors import SourceError
from synth.io.images import SUFFIXES
from synth.sources.labels.coco import is_coco, read_coco
from synth.sources.labels.cvat import is_cvat, read_cvat
from synth.sources.labels.label_studio import is_label_studio, read_label_studio
from synth.sources.labels.labelled import Labelled, label_text, read_json
from synth.sources.labels.labelme import is_labelme, read_labelme
from synth.sources.labels.severstal import is_severstal, read_severstal
from synth.sources.labels.yolo import NAMES, class_names, looks_like_yolo, read_yolo, yolo_images

FormatName = Literal["coco", "labelme", "label_studio", "cvat", "voc", "severstal", "yolo"]
VOC_BOX = "<bndbox>"
JSON: dict[FormatName, tuple[Callable[[Path, Any], bool], Callable[[Path], Iterator[Labelled]]]] = {
    "coco": (is_coco, read_coco),
    "labelme": (is_labelme, read_labelme),
    "label_studio": (is_label_studio, read_label_studio),
}
"""Format in JSON -> whether a content is of it, and what reads a file of it."""


def format_of(file: Path) -> FormatName | None:
    """The format of a file of labels by its content; None for other files. A YOLO row can be told from other text only
    where the classes are named, see `label_files`."""
    suffix = file.suffix.lower()
    try:
        if suffix == ".json":
            content = read_json(file)
            return next((name for name, (fits, _) in JSON.items() if fits(file, content)), None)
        if suffix == ".xml":
            text = label_text(file)
            return "cvat" if is_cvat(text) else "voc" if VOC_BOX in text else None
        if suffix == ".csv":
            return "severstal" if is_severstal(label_text(file)) else None
    except SourceError:
        return None
    return None


def label_files(files: Sequence[Path]) -> Iterator[tuple[FormatName, Path]]:
    """(format, file) of every file of labels."""
    named = any(file.name.lower() in NAMES for file in files)
    for file in files:
        found = format_of(file)
        if found:
            yield found, file
        elif named and _is_yolo(file):
            yield "yolo", file


def read_labels(form: FormatName, labels: Sequence[Path], files: Sequence[Path]) -> Iterator[tuple[Path, Labelled]]:
    """(file of labels, image) for every image that the files of labels name. SourceError where one cannot be read."""
    if form == "yolo":
        source = next((file for file in files if file.name.lower() in NAMES), None)
        if source is None:
            raise SourceError(
                f"{labels[0]}: no file names the classes; add {' or '.join(NAMES[:2])} with `names: [...]`"
            )
        names = class_names(source)
        for file, image in yolo_images(labels):
            yield file, read_yolo(file, names, image)
        return
    for file in labels:
        try:
            yield from ((file, labelled) for labelled in _labelled(form, file, files))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
            raise SourceError(
                f"{file} is not as {form} writes labels ({type(problem).__name__}: {problem}); export them again"
            ) from problem


def _labelled(form: FormatName, file: Path, files: Sequence[Path]) -> Iterator[Labelled]:
    if form == "voc":
        raise SourceError(f"{file} holds boxes of Pascal VOC, which mark no pixels; label polygons or masks")
    if form == "severstal":
        folder = file.parent / "train_images"
        return read_severstal(
            file, [image.name for image in files if image.parent == folder and image.suffix.lower() in SUFFIXES]
        )
    return (read_cvat if form == "cvat" else JSON[form][1])(file)


def _is_yolo(file: Path) -> bool:
    if not any(True for _ in yolo_images([file])):
        return False
    try:
        return file.stat().st_size == 0 or looks_like_yolo(label_text(file))
    except (OSError, SourceError):
        return False
