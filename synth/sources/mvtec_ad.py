"""The MVTec AD tree, of one product or of several side by side:

    <root>/<product>/train/good/000.png
    <root>/<product>/test/good/000.png
    <root>/<product>/test/<type>/000.png
    <root>/<product>/ground_truth/<type>/000_mask.png       (000.png is taken too)

`root` is the folder above the products or one product's own folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from synth.sources.listing import Entry, Listing, Problem, is_picture
from synth.sources.product_tree import list_products, product_folders

TREE = "wanted train/good, test/<type> and ground_truth/<type> in a product's folder"


def is_mvtec_ad(root: Path) -> bool:
    return bool(product_folders(root, _is_product))


def list_mvtec_ad(
    root: str | Path,
    *,
    product: str | None = None,
    products: Literal["all"] | Sequence[str] = "all",
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
) -> Listing:
    """Every product of the tree, or the named ones. `product` renames the only product."""
    return list_products(
        "mvtec_ad",
        root,
        _is_product,
        _entries,
        f"MVTec AD tree; {TREE}, or use layout folder",
        product=product,
        products=products,
        good_limit=good_limit,
        exclude=exclude,
    )


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
