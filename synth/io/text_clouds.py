"""Clouds as text: XYZ, PTS, CSV, ASC, TXT. Rows of numbers between blanks, tabs, commas or semicolons, with or without
a first line of names or of the number of points.

>>> header(["//X Y Z R G B"])
('x', 'y', 'z', 'r', 'g', 'b')
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synth.io.columns import FIELD, POINTS, Raw, from_columns, unnamed
from synth.io.rows import LONGEST_LINE, numbers
from synth.io.told import Told

MOST_HEADER = 50
"""Lines before the first row of numbers at most."""
PTS = ("x", "y", "z", "intensity", "r", "g", "b")
"""Columns of a .pts, by its format."""
_MARKS = ("#", "//", ";", "%")
"""What begins a comment."""
_DECIMAL_COMMA = re.compile(r"(?:^|[\s;])-?\d+,\d+(?=$|[\s;])")


def read_text(path: Path, asked: Sequence[str] = ()) -> Raw:
    """The points in rows of text; `asked` names the columns in order, or of those that a header names the ones to read.
    ValueError where no row begins with three numbers, or where numbers have decimal commas."""
    with path.open("rb") as file:
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(0)
        heading: list[str] = []
        for _ in range(MOST_HEADER):
            begun = file.tell()
            line = file.readline(LONGEST_LINE).decode("utf-8", "replace").strip()
            separator = separator_of(line)
            if count_of_numbers(line, separator) >= 3:
                break
            heading.append(line)
        else:
            raise ValueError(f"none of its first {MOST_HEADER} lines begins with three numbers")
        file.seek(begun)
        given = line.removesuffix(separator or "\0")
        width = len(given.split(separator))
        rows = numbers(file, delimiter=separator, columns=range(width) if given != line else None)
    names = header(heading)
    if not names and path.suffix.lower() == ".pts" and width == len(PTS) and _are_bytes(rows[:, 4:]):
        names = PTS
    return _named(rows, names, asked)


def _are_bytes(values: np.ndarray) -> bool:
    """Whether all are whole numbers of 0 to 255, as colours of a .pts are."""
    return bool(((values >= 0) & (values <= 255) & (values == np.floor(values))).all())


def separator_of(line: str) -> str | None:
    """What is between the numbers of a row, None for blanks. ValueError for decimal commas."""
    if _DECIMAL_COMMA.search(line) and (";" in line or len(line.split()) > 1):
        raise ValueError("its numbers have decimal commas; write them with points, as 1.5")
    return next((mark for mark in ";," if mark in line), None)


def count_of_numbers(line: str, separator: str | None) -> int:
    """How many numbers a line begins with."""
    count = 0
    for word in line.split(separator):
        try:
            float(word)
        except ValueError:
            break
        count += 1
    return count


def header(lines: Sequence[str]) -> tuple[str, ...]:
    """The names in the last line that names x, y and z first; () where none does."""
    for line in reversed(lines):
        bare = line.strip()
        for mark in _MARKS:
            bare = bare.removeprefix(mark)
        words = [re.sub(r"[\[(].*", "", word).strip("\"' ").lower() for word in re.split(r"[;,\s]+", bare.strip())]
        if tuple(words[:3]) == POINTS:
            return tuple(word for word in words if word)
    return ()


def _named(rows: np.ndarray, names: Sequence[str], asked: Sequence[str]) -> Raw:
    """Rows (N, C) by the names that are known of them."""
    width = rows.shape[1]
    if width < len(POINTS):
        raise ValueError(f"its rows hold {width} numbers, wanted x, y and z")
    if asked and not names:
        if len(asked) != width:
            raise ValueError(f"{FIELD} names {len(asked)} columns, its rows hold {width}")
        # A column that is passed over must not hide another of the same name.
        columns = {f"_{k}" if name in "-_" else name: rows[:, k] for k, name in enumerate(asked)}
        return from_columns(columns, asked)
    if len(names) == width:
        return from_columns(dict(zip(names, rows.T, strict=True)), asked)
    columns, told = unnamed(rows)
    if names:
        text = f"has a header of {len(names)} names and rows of {width} numbers, so that its names are not used"
        told = (Told("columns", text, FIELD, warning=True), *told)
    return from_columns(columns, asked).telling(*told)
