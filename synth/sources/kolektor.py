"""KolektorSDD and KolektorSDD2, where every image has a mask and those with a black one are good:

<root>/kos01/Part0.jpg, kos01/Part0_label.bmp          the images of one part in one folder
<root>/train/10000.png, train/10000_GT.png             and test
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from synth.errors import SourceError
from synth.io.masks import class_values
from synth.sources.listing import Entry, Problem, is_image
from synth.sources.product_tree import ProductTree

TITLE = "KolektorSDD"
DEFECT = "defect"
ENDINGS = ("_label", "_GT")


def _is_product(folder: Path) -> bool:
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        return any((folder / "train").glob("*_GT.*"))
    return any(folder.glob("kos[0-9]*/*_label.*"))


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    images = [file for file in files if is_image(file)]
    masks = {
        (file.parent, file.stem.removesuffix(ending)): file
        for file in images
        for ending in ENDINGS
        if file.stem.endswith(ending)
    }
    for file in images:
        if file in masks.values():
            continue
        mask = masks.get((file.parent, file.stem))
        if mask is None:
            yield Problem(str(file), "has no mask", f"add {file.stem}{ENDINGS[1]}.png, black for a good part")
            continue
        place = file.relative_to(folder)
        split = "test" if place.parts[0] == "test" else "train"
        try:
            defect = DEFECT if class_values(mask).any() else None
        except SourceError:
            defect = DEFECT  # reading it says what is wrong
        yield Entry(f"{product}/{place.as_posix()}", file, product, defect, split, mask)


KOLEKTOR = ProductTree(
    "kolektor", TITLE, _is_product, _entries, "wanted kos<n>/Part<n>.jpg or train/<n>_GT.png", "kos<n>, train or test"
)
list_kolektor = KOLEKTOR.listing
