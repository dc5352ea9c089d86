"""The MVTec AD tree, of one product or of several side by side:

    <root>/<product>/train/good/000.png
    <root>/<product>/test/good/000.png
    <root>/<product>/test/<type>/000.png
    <root>/<product>/ground_truth/<type>/000_mask.png       (000.png is taken too)

`root` is the folder above the products or one product's own folder.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from synth.errors import SourceError
from synth.sources.listing import Entry, Listing, Problem, files_below, is_picture, limit_goods, open_root

TREE = "wanted train/good, test/<type> and ground_truth/<type> in a product's folder"


def is_mvtec_ad(root: Path) -> bool:
    return bool(_product_folders(root))


def list_mvtec_ad(
    root: str | Path,
    *,
    product: str | None = None,
    products: Literal["all"] | Sequence[str] = "all",
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
) -> Listing:
    """Every product of the tree, or the named ones. `product` renames the only product."""
    root = open_root(root)
    folders = _product_folders(root)
    if not folders:
        raise SourceError(f"{root} is no MVTec AD tree; {TREE}, or use layout folder")
    files, problems = files_below(root, exclude)
    found = {folder.resolve().name: folder for folder in folders}
    for name in [] if products == "all" else products:
        if name not in found:
            close = difflib.get_close_matches(name, found, n=1)
            hint = f"did you mean {close[0]}?" if close else f"products here: {', '.join(found)}"
            problems.append(Problem(str(root), f"has no product {name!r}", hint))
    entries: list[Entry] = []
    for name, folder in found.items():
        if products != "all" and name not in products:
            continue
        below = [file for file in files if file.is_relative_to(folder)]
        own = product if product and len(found) == 1 else name
        for made in _entries(folder, own, below):
            if isinstance(made, Entry):
                entries.append(made)
            else:
                problems.append(made)
    entries = sorted(entries, key=lambda entry: entry.id)
    return Listing("mvtec_ad", root, limit_goods(entries, good_limit), tuple(problems))


def _product_folders(root: Path) -> list[Path]:
    return [folder for folder in (root, *sorted(root.iterdir())) if _is_product(folder)]


def _is_product(folder: Path) -> bool:
    return all((folder / name).is_dir() for name in ("train/good", "test", "ground_truth"))


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    masks = {file.relative_to(folder).with_suffix("").parts: file for file in files if is_picture(file)}
    marked: set[Path] = set()
    stems: dict[tuple[str, ...], Path] = {}
    for file in files:
        part, *place, name = file.relative_to(folder).parts
        if part not in ("train", "test") or not is_picture(file):
            continue
        if len(place) != 1 or (part == "train" and place != ["good"]):
            yield Problem(str(file), "is not where the MVTec AD tree has pictures", TREE, "warning")
            continue
        twin = stems.setdefault((part, *place, file.stem), file)
        if twin != file:
            yield Problem(str(file), f"has the same name as {twin.name}", "rename one of the two, and its mask")
            continue
        defect = None if place == ["good"] else place[0]
        wanted = ("ground_truth", *place)
        mask = masks.get((*wanted, f"{file.stem}_mask")) or masks.get((*wanted, file.stem))
        if defect and not mask:
            missing = folder.joinpath(*wanted, f"{file.stem}_mask.png")
            yield Problem(str(file), f"has no mask; wanted {missing}", "add it, white where the defect is")
            continue
        if mask:
            marked.add(mask)
        yield Entry(f"{product}/{part}/{place[0]}/{name}", file, product, defect, part, mask)
    for parts, mask in masks.items():
        if parts[0] == "ground_truth" and mask not in marked:
            yield Problem(str(mask), "is a mask without a picture", "remove it or add its picture", "warning")
