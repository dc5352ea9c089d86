"""The MVTec AD tree, of one product or of several side by side:

    <root>/<product>/train/good/000.png
    <root>/<product>/test/good/000.png
    <root>/<product>/test/<type>/000.png
    <root>/<product>/ground_truth/<type>/000_mask.png       (000.png is taken too)

`root` is the folder above the products or one product's own folder. Files elsewhere, such as the archive's readme.txt
and license.txt in every product's folder, are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from synth.io.names import composed
from synth.sources.listing import Entry, Problem, is_image
from synth.sources.pairing import stem_of
from synth.sources.product_tree import ProductTree, misplaced

TITLE = "MVTec AD"
PLACES = "train/good, test/<type> or ground_truth/<type> in a product's folder"


def _is_product(folder: Path) -> bool:
    return all((folder / name).is_dir() for name in ("train/good", "test", "ground_truth"))


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    images: list[tuple[str, str, Path]] = []
    masks: dict[tuple[str, str], Path] = {}
    for file in filter(is_image, files):
        match file.relative_to(folder).parts:
            case (part, kind, _) if part == "test" or (part, kind) == ("train", "good"):
                images.append((part, kind, file))
            case ("ground_truth", kind, _):
                masks[composed(kind), stem_of(file)] = file
            case _:
                yield misplaced(file, TITLE, PLACES)
    marked: set[Path] = set()
    stems: dict[tuple[str, str, str], Path] = {}
    for part, kind, file in images:
        stem = stem_of(file)
        same = stems.setdefault((part, kind, stem), file)
        if same != file:
            yield Problem(str(file), f"has the same name as {same.name}", "rename one of the two, and its mask")
            continue
        defect = None if kind == "good" else composed(kind)
        mask = masks.get((composed(kind), f"{stem}_mask")) or masks.get((composed(kind), stem))
        if defect and not mask:
            missing = folder / "ground_truth" / kind / f"{file.stem}_mask.png"
            yield Problem(str(file), f"has no mask; wanted {missing}", "add it, white where the defect is")
            continue
        if mask:
            marked.add(mask)
        yield Entry(f"{product}/{part}/{kind}/{file.name}", file, product, defect, part, mask)
    for mask in masks.values():
        if mask not in marked:
            yield Problem(str(mask), "is a mask without an image", "remove it or add its image", "warning")


MVTEC_AD = ProductTree(
    "mvtec_ad",
    TITLE,
    _is_product,
    _entries,
    "wanted train/good, test/<type> and ground_truth/<type> in a product's folder, or use layout folder",
    PLACES,
)
list_mvtec_ad = MVTEC_AD.listing
