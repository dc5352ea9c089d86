"""YOLO segmentation: a text file for each image with rows of a class number and a polygon in shares of the image, and
the names of the classes in data.yaml or classes.txt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from synth.errors import SourceError
from synth.io.regular import read_text
from synth.sources.labels.labelled import Labelled
from synth.sources.labels.marks import Polygon, Shape

NAMES = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml", "classes.txt", "obj.names")
NO_LABELS = {*NAMES, "readme.txt", "license.txt", "train.txt", "val.txt", "test.txt"}


def class_names(file: Path) -> Mapping[int, str]:
    """The names by number in a data.yaml or a list of names. SourceError where there are none."""
    text = read_text(file)
    if file.suffix.lower() not in (".yaml", ".yml"):
        return dict(enumerate(line.strip() for line in text.splitlines() if line.strip()))
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise SourceError(f"{file}: not valid YAML; export the labels again") from problem
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        return {int(number): str(name) for number, name in names.items()}
    if isinstance(names, list):
        return dict(enumerate(map(str, names)))
    raise SourceError(f"{file} has no names; add `names: [<class 0>, <class 1>, ...]`")


def read_yolo(file: Path, names: Mapping[int, str], image: str) -> Labelled:
    """The labels of one image; none in an empty file, which marks a good one. SourceError for boxes."""
    shapes: dict[str, list[Shape]] = defaultdict(list)
    text = read_text(file) if file.stat().st_size else ""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        shapes[_name(file, number, words, names)].append(Polygon(_points(file, number, words[1:]), shares=True))
    return Labelled(image, {name: tuple(some) for name, some in shapes.items()})


def _name(file: Path, number: int, words: Sequence[str], names: Mapping[int, str]) -> str:
    if not words[0].isdigit() or int(words[0]) not in names:
        known = ", ".join(f"{key} {name}" for key, name in names.items())
        raise SourceError(f"{file}:{number}: class {words[0]} is unknown (known: {known}); add it to the names")
    return names[int(words[0])]


def _points(file: Path, number: int, words: Sequence[str]) -> tuple[float, ...]:
    if len(words) == 4:
        raise SourceError(f"{file}:{number}: is a box, which marks no pixels; export segmentation polygons")
    try:
        points = tuple(float(word) for word in words)
    except ValueError as problem:
        raise SourceError(f"{file}:{number}: {problem}; wanted a class and x y pairs between 0 and 1") from problem
    if len(points) < 6 or len(points) % 2 or not all(-0.01 <= value <= 1.01 for value in points):
        raise SourceError(f"{file}:{number}: wanted a class and three or more x y pairs between 0 and 1; export again")
    return points


def looks_like_yolo(text: str) -> bool:
    """Whether a text begins with a class number and numbers between 0 and 1."""
    words = next((line.split() for line in text.splitlines() if line.strip()), [])
    try:
        return len(words) > 4 and words[0].isdigit() and all(-0.01 <= float(word) <= 1.01 for word in words[1:])
    except ValueError:
        return False


def yolo_images(files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """(text file, the image's name without its ending) of every text file that may hold labels; labels/ and images/
    are parallel folders."""
    for file in files:
        if file.suffix.lower() == ".txt" and file.name.lower() not in NO_LABELS:
            parts = ["images" if part == "labels" else part for part in file.parent.parts]
            yield file, str(Path(*parts, file.stem))
