"""What every file of labels gives: `Labelled` images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from synth.errors import SourceError
from synth.io.json_text import JsonTextError, load_json
from synth.io.regular import read_text
from synth.sources.labels.marks import Shape

MOST_LABELS = 2**30
"""Bytes of the largest file of labels: run lengths of thousands of images."""


class Labelled(NamedTuple):
    """An image as a file of labels names it, with the shapes of each class on it, none for a good one. size: (H, W)
    that the file says it has."""

    image: str
    shapes: Mapping[str, tuple[Shape, ...]]
    size: tuple[int, int] | None = None


def label_text(file: Path) -> str:
    """The content of a file of labels, which may be large. SourceError where it cannot be read."""
    return read_text(file, MOST_LABELS)


def read_json(file: Path) -> Any:
    """The content of a JSON file. SourceError where it is none."""
    try:
        return load_json(label_text(file))
    except JsonTextError as problem:
        place = file if problem.line is None else f"{file}:{problem.line}"
        raise SourceError(f"{place}: not valid JSON: {problem}; export the labels again") from problem
