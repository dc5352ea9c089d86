"""What the bundled base learns from, to look at: a sheet of the materials without a mark, and one of the marks.

python benchmarks/captioned_sheets.py [--sheets docs/images] [--each 8] [--side 128]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from synth.seas.pretraining.captioned import make_captioned
from synth.sources.procedural.marks import MARKS
from synth.sources.procedural.materials import MATERIALS

LABEL = 104
"""Width of a row's name, px."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheets", type=Path, default=Path("docs/images"), help="folder for the two sheets")
    parser.add_argument("--each", type=int, default=8, help="images a row")
    parser.add_argument("--side", type=int, default=128, help="side of an image, px")
    args = parser.parse_args()
    args.sheets.mkdir(parents=True, exist_ok=True)
    materials, marks = families(args.each, args.side)
    for name, rows in (("materials", materials), ("marks", marks)):
        Image.fromarray(sheet(rows)).save(args.sheets / f"base_{name}.jpg", quality=85)


def families(each: int, side: int) -> tuple[dict[str, list[np.ndarray]], dict[str, list[np.ndarray]]]:
    """The first `each` images of every material, unmarked, and of every mark: those whose captions name them."""
    materials: dict[str, list[np.ndarray]] = {name: [] for name in MATERIALS}
    marks: dict[str, list[np.ndarray]] = {name: [] for name in MARKS}
    indices = count()
    while any(len(row) < each for row in (*materials.values(), *marks.values())):
        made = make_captioned(next(indices), side)
        surface, _, mark = made.caption.partition(" with ")
        name = named(mark, MARKS) if mark else named(surface, MATERIALS)
        row = (marks if mark else materials).get(name, [])
        row.extend([made.image] * (len(row) < each))
    return materials, marks


def named(words: str, names: Iterable[str]) -> str:
    """The longest of `names` in `words`, or nothing: a hairline crack is no crack."""
    return max((name for name in names if f" {name} " in f" {words} "), key=len, default="")


def sheet(rows: dict[str, list[np.ndarray]]) -> np.ndarray:
    """Two columns of named rows."""
    lines = [np.hstack([label(name, images[0].shape[0]), *images]) for name, images in rows.items()]
    lines += [np.full_like(lines[0], 255)] * (len(lines) % 2)
    half = len(lines) // 2
    return np.hstack([np.vstack(lines[:half]), np.vstack(lines[half:])])


def label(text: str, height: int) -> np.ndarray:
    strip = Image.new("RGB", (LABEL, height), "white")
    ImageDraw.Draw(strip).text((4, height // 2 - 6), text, fill="black")
    return np.asarray(strip)


if __name__ == "__main__":
    main()
