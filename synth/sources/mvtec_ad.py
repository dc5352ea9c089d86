"""The MVTec AD tree and those that follow it, of one product or of several side by side:

    <root>/<product>/train/good/000.png                        BTAD: train/ok, test/ok, test/ko, ground_truth/ko
    <root>/<product>/test/good/000.png                         MVTec AD 2: test_public, test_public/ground_truth/bad
    <root>/<product>/test/<type>/000.png
    <root>/<product>/ground_truth/<type>/000_mask.png          000.png is taken too (BTAD, VisA in its 1cls layout)
    <root>/<product>/ground_truth/<type>/000/000.png, 001.png  LOCO: several masks of one image, of any value but 0
    <root>/<product>/validation/good/000.png                   MVTec AD 2 and LOCO

`root` is the folder above the products or one product's own folder. Files elsewhere, such as the archive's readme.txt
and license.txt in every product's folder, and images without labels (test_private) are not read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from synth.io.names import composed
from synth.sources.labels.marks import LabelMask, MaskFile
from synth.sources.listing import Entry, Problem, is_image
from synth.sources.pairing import stem_of
from synth.sources.product_tree import ProductTree, misplaced

TITLE = "MVTec AD"
PLACES = "train/good, test/<type> or ground_truth/<type> in a product's folder"
GOOD = ("good", "ok")
ROLES = {"train": "train", "validation": "validation", "test": "test", "test_public": "test"}
UNLABELLED = ("test_private", "test_private_mixed")
Key = tuple[str, str]
"""(defect type, stem of the image)."""


def _is_product(folder: Path) -> bool:
    good = any((folder / "train" / name).is_dir() for name in GOOD)
    tested = all((folder / name).is_dir() for name in ("test", "ground_truth"))
    return good and (tested or (folder / "test_public" / "ground_truth").is_dir())


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    images: list[tuple[str, str, Path]] = []
    masks: dict[Key, list[Path]] = defaultdict(list)
    for file in filter(is_image, files):
        match file.relative_to(folder).parts:
            case ("ground_truth", kind, _) | ("test_public", "ground_truth", kind, _):
                masks[composed(kind), stem_of(file).removesuffix("_mask")].append(file)
            case ("ground_truth", kind, stem, _):
                masks[composed(kind), composed(stem)].append(file)
            case (part, kind, _) if part in ROLES and (ROLES[part] == "test" or kind in GOOD):
                images.append((part, kind, file))
            case (part, *_) if part in UNLABELLED:
                continue
            case _:
                yield misplaced(file, TITLE, PLACES)
    stems: dict[tuple[str, str, str], Path] = {}
    for part, kind, file in images:
        stem = stem_of(file)
        same = stems.setdefault((part, kind, stem), file)
        if same != file:
            yield Problem(str(file), f"has the same name as {same.name}", "rename one of the two, and its mask")
            continue
        own = masks.pop((composed(kind), stem), [])
        if kind not in GOOD and not own:
            missing = folder / "ground_truth" / kind / f"{file.stem}_mask.png"
            yield Problem(str(file), f"has no mask; wanted {missing}", "add it, white where the defect is")
            continue
        yield _entry(product, part, kind, file, own)
    for found in masks.values():
        for mask in found:
            yield Problem(str(mask), "is a mask without an image", "remove it or add its image", "warning")


def _entry(product: str, part: str, kind: str, file: Path, masks: Sequence[Path]) -> Entry:
    name, defect = f"{product}/{part}/{kind}/{file.name}", None if kind in GOOD else composed(kind)
    if not masks or (len(masks) == 1 and masks[0].parent.name == kind):
        return Entry(name, file, product, defect, ROLES[part], masks[0] if masks else None)
    label = LabelMask(str(masks[0].parent), tuple(MaskFile(str(mask)) for mask in masks))
    return Entry(name, file, product, defect, ROLES[part], label=label)


MVTEC_AD = ProductTree(
    "mvtec_ad",
    TITLE,
    _is_product,
    _entries,
    "wanted train/good, test/<type> and ground_truth/<type> in a product's folder, or use layout folder",
    PLACES,
)
list_mvtec_ad = MVTEC_AD.listing
