"""VisA in its original layout, of one product or of several side by side:

    <root>/<product>/Data/Images/Normal/0000.JPG
    <root>/<product>/Data/Images/Anomaly/000.JPG
    <root>/<product>/Data/Masks/Anomaly/000.png        any value but 0 is a defect
    <root>/<product>/image_anno.csv                    image, label, mask: the defect types of an image
    <root>/split_csv/1cls.csv                          object, split, label, image, mask: which normal ones are for test

An image with several types counts as the type "several". Its 1cls layout is read as MVTec AD.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from synth.errors import SourceError
from synth.io.regular import read_text
from synth.sources.labels.marks import LabelMask, MaskFile
from synth.sources.listing import Entry, Problem, is_image
from synth.sources.product_tree import ProductTree, misplaced

TITLE = "VisA"
PLACES = "Data/Images/Normal, Data/Images/Anomaly or Data/Masks/Anomaly in a product's folder"
UNTYPED, SEVERAL = "anomaly", "several"


def _is_product(folder: Path) -> bool:
    return (folder / "Data" / "Images" / "Normal").is_dir()


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    types = _types(folder / "image_anno.csv")
    testing = _test_images(folder.parent / "split_csv" / "1cls.csv", folder.name)
    masks: dict[str, Path] = {}
    images: list[tuple[str, Path]] = []
    for file in filter(is_image, files):
        match file.relative_to(folder).parts:
            case ("Data", "Masks", "Anomaly", _):
                masks[file.stem] = file
            case ("Data", "Images", ("Normal" | "Anomaly") as kind, _):
                images.append((kind, file))
            case _:
                yield misplaced(file, TITLE, PLACES)
    for place, file in images:
        name, split = f"{product}/{place}/{file.name}", "test" if file.name in testing else "train"
        if place == "Normal":
            yield Entry(name, file, product, None, split)
        elif file.stem in masks:
            label = LabelMask(str(masks[file.stem]), (MaskFile(str(masks[file.stem])),))
            yield Entry(name, file, product, types.get(file.name, UNTYPED), "test", label=label)
        else:
            missing = folder / "Data" / "Masks" / "Anomaly" / f"{file.stem}.png"
            yield Problem(str(file), f"has no mask; wanted {missing}", "add it, or remove the image")


def _types(path: Path) -> Mapping[str, str]:
    """Name of an image -> its defect type."""
    found = {}
    for row in _rows(path):
        labels = [label.strip() for label in row.get("label", "").split(",") if label.strip()]
        found[Path(row.get("image", "")).name] = labels[0] if len(labels) == 1 else SEVERAL if labels else UNTYPED
    return found


def _test_images(path: Path, product: str) -> set[str]:
    """Names of the normal images that are for testing."""
    return {
        Path(row["image"]).name
        for row in _rows(path)
        if row.get("object") == product and row.get("split") == "test" and row.get("label") == "normal"
    }


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        return list(csv.DictReader(read_text(path).splitlines()))
    except csv.Error as problem:
        raise SourceError(f"{path} cannot be read as CSV ({problem}); copy it again") from problem


VISA = ProductTree("visa", TITLE, _is_product, _entries, f"wanted {PLACES}", PLACES)
list_visa = VISA.listing
