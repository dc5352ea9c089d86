"""DAGM 2007, as it was published and as it is passed on:

    <root>/Class1/1.png, Class1_def/1.png, Class1_def/labels.txt          ellipses: number, half axes, turn, x, y
    <root>/Class1/Train/0001.PNG, Class1/Train/Label/0001_label.PNG      masks; Test as well

Each class is a product with the one defect type "defect". Its labels are ellipses around the defects, wider than them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from synth.errors import SourceError
from synth.io.regular import read_text
from synth.sources.labels.marks import Ellipse, LabelMask
from synth.sources.listing import Entry, Problem, is_image
from synth.sources.product_tree import ProductTree, misplaced

TITLE = "DAGM"
DEFECT = "defect"
PLACES = "Class<n>, Class<n>_def, Class<n>/Train or Class<n>/Test"


def _is_product(folder: Path) -> bool:
    return (_beside(folder) / "labels.txt").is_file() or (folder / "Train" / "Label").is_dir()


def _beside(folder: Path) -> Path:
    """The folder of a class's defective images."""
    return folder.parent / f"{folder.name}_def"


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    if not (folder / "Train" / "Label").is_dir():
        yield from _published(folder, product, files)
        return
    labels = [file for file in files if file.parent.name == "Label"]
    masks = {(file.parent.parent, file.stem.removesuffix("_label")): file for file in labels}
    for file in filter(is_image, files):
        match file.relative_to(folder).parts:
            case (("Train" | "Test") as part, _):
                mask = masks.get((file.parent, file.stem))
                split, defect = part.lower(), None if mask is None else DEFECT
                yield Entry(f"{product}/{part}/{file.name}", file, product, defect, split, mask)
            case ("Train" | "Test", "Label", _):
                continue
            case _:
                yield misplaced(file, TITLE, PLACES)


def _published(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    defective = _beside(folder)
    ellipses = _ellipses(defective / "labels.txt")
    for file in filter(is_image, files):
        name = f"{product}/{file.relative_to(folder.parent).as_posix()}"
        if folder in file.parents:
            yield Entry(name, file, product, None, "train")
        elif file.stem in ellipses:
            label = LabelMask(str(defective / "labels.txt"), (ellipses[file.stem],))
            yield Entry(name, file, product, DEFECT, "train", label=label)
        else:
            yield Problem(str(file), f"has no line in {defective / 'labels.txt'}", "add it, or remove the image")


def _ellipses(path: Path) -> Mapping[str, Ellipse]:
    """Number of an image -> its ellipse: half axes in px, turn in radians against the clock, centre in px."""
    found = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            half_width, half_height, turn, x, y = (float(word) for word in words[1:6])
        except ValueError as problem:
            raise SourceError(
                f"{path}:{number}: wanted a number, two half axes, a turn, x and y; copy the file again"
            ) from problem
        found[words[0].split(".")[0]] = Ellipse(x, y, half_width, half_height, -math.degrees(turn))
    return found


DAGM = ProductTree("dagm", TITLE, _is_product, _entries, f"wanted {PLACES}", PLACES, _beside)
list_dagm = DAGM.listing
