"""The MVTec 3D-AD tree, of one product or of several side by side; a part of it will do:

<root>/<product>/train/good/rgb/000.png          image
<root>/<product>/train/good/xyz/000.tiff         its organised cloud, metres, same stem
<root>/<product>/validation/good/...             counts as train
<root>/<product>/test/<type>/rgb, xyz, gt/000.png   (ground_truth in place of gt is taken too)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from synth.sources.listing import Entry, Listing, Problem, is_picture
from synth.sources.product_tree import list_products, product_folders

SPLITS = {"train": "train", "validation": "train", "test": "test"}
TREE = "wanted train/good/rgb and train/good/xyz in a product's folder"


def is_mvtec_3d(root: Path) -> bool:
    return bool(product_folders(root, _is_product))


def list_mvtec_3d(
    root: str | Path,
    *,
    product: str | None = None,
    products: Literal["all"] | Sequence[str] = "all",
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
) -> Listing:
    """Every product of the tree, or the named ones. `product` renames the only product."""
    return list_products(
        "mvtec_3d",
        root,
        _is_product,
        _entries,
        f"MVTec 3D-AD tree; {TREE}",
        product=product,
        products=products,
        good_limit=good_limit,
        exclude=exclude,
    )


def _is_product(folder: Path) -> bool:
    return (folder / "train" / "good" / "xyz").is_dir()


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    known = {file.relative_to(folder).with_suffix("").parts: file for file in files}
    for file in files:
        parts = file.relative_to(folder).parts
        if len(parts) != 4 or parts[0] not in SPLITS or parts[2] != "rgb" or not is_picture(file):
            continue
        part, kind = parts[:2]
        xyz = known.get((part, kind, "xyz", file.stem))
        mask = known.get((part, kind, "gt", file.stem)) or known.get((part, kind, "ground_truth", file.stem))
        defect = None if kind == "good" else kind
        if xyz is None:
            wanted = folder / part / kind / "xyz" / f"{file.stem}.tiff"
            yield Problem(str(file), f"has no cloud; wanted {wanted}", "add it, or leave the image out")
        elif defect is not None and mask is None:
            wanted = folder / part / kind / "gt" / f"{file.stem}.png"
            yield Problem(str(file), f"has no mask; wanted {wanted}", "add it, white where the defect is")
        else:
            yield Entry(f"{product}/{part}/{kind}/{file.stem}", file, product, defect, SPLITS[part], mask, xyz=xyz)
