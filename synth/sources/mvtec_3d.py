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

from synth.errors import SourceError
from synth.sources.listing import Entry, Listing, Problem, files_below, is_picture, limit_goods, open_root

SPLITS = {"train": "train", "validation": "train", "test": "test"}
TREE = "wanted train/good/rgb and train/good/xyz in a product's folder"


def is_mvtec_3d(root: Path) -> bool:
    return bool(_product_folders(root))


def list_mvtec_3d(
    root: str | Path,
    *,
    product: str | None = None,
    products: Literal["all"] | Sequence[str] = "all",
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
) -> Listing:
    """Every product of the tree, or the named ones. `product` renames the only product."""
    root = open_root(root)
    folders = {folder.resolve().name: folder for folder in _product_folders(root)}
    if not folders:
        raise SourceError(f"{root} is no MVTec 3D-AD tree; {TREE}")
    files, problems = files_below(root, exclude)
    for name in () if products == "all" else products:
        if name not in folders:
            problems.append(Problem(str(root), f"has no product {name!r}", f"products here: {', '.join(folders)}"))
    entries: list[Entry] = []
    for name, folder in folders.items():
        if products != "all" and name not in products:
            continue
        own = product if product and len(folders) == 1 else name
        below = [file for file in files if file.is_relative_to(folder)]
        for made in _entries(folder, own, below):
            if isinstance(made, Entry):
                entries.append(made)
            else:
                problems.append(made)
    entries.sort(key=lambda entry: entry.id)
    return Listing("mvtec_3d", root, limit_goods(entries, good_limit), tuple(problems))


def _product_folders(root: Path) -> list[Path]:
    return [f for f in (root, *sorted(root.iterdir())) if (f / "train" / "good" / "xyz").is_dir()]


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
