"""The MVTec 3D-AD tree, of one product or of several side by side; a part of it will do:

<root>/<product>/train/good/rgb/000.png          image
<root>/<product>/train/good/xyz/000.tiff         its organised cloud, metres, same stem
<root>/<product>/validation/good/...             counts as train
<root>/<product>/test/<type>/rgb, xyz, gt/000.png   (ground_truth in place of gt is taken too)

Files elsewhere, such as <product>/calibration/camera_parameters.json, are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from synth.sources.listing import Entry, Problem, is_image
from synth.sources.product_tree import ProductTree, misplaced

SPLITS = {"train": "train", "validation": "train", "test": "test"}
TRUTH = ("gt", "ground_truth")
TITLE = "MVTec 3D-AD"
PLACES = "rgb, xyz (TIFF) or gt in train/good, validation/good or test/<type> of a product's folder"


def _is_product(folder: Path) -> bool:
    return (folder / "train" / "good" / "xyz").is_dir()


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    images: list[tuple[str, str, Path]] = []
    known: dict[tuple[str, str, str, str], Path] = {}
    for file in filter(is_image, files):
        match file.relative_to(folder).parts:
            case (part, kind, what, _) if part in SPLITS and _fits(what, file):
                same = known.setdefault((part, kind, what, file.stem), file)
                if same != file:
                    yield Problem(str(file), f"has the same name as {same.name}", "remove or rename one of the two")
                elif what == "rgb":
                    images.append((part, kind, file))
            case _:
                yield misplaced(file, TITLE, PLACES)
    for part, kind, file in images:
        xyz = known.get((part, kind, "xyz", file.stem))
        mask = next((known[key] for name in TRUTH if (key := (part, kind, name, file.stem)) in known), None)
        defect = None if kind == "good" else kind
        if xyz is None:
            wanted = folder / part / kind / "xyz" / f"{file.stem}.tiff"
            yield Problem(str(file), f"has no cloud; wanted {wanted}", "add it, or leave the image out")
        elif defect is not None and mask is None:
            wanted = folder / part / kind / "gt" / f"{file.stem}.png"
            yield Problem(str(file), f"has no mask; wanted {wanted}", "add it, white where the defect is")
        else:
            yield Entry(f"{product}/{part}/{kind}/{file.stem}", file, product, defect, SPLITS[part], mask, xyz=xyz)


def _fits(what: str, file: Path) -> bool:
    """Whether a file is what the folder named `what` holds."""
    return file.suffix.lower() in (".tif", ".tiff") if what == "xyz" else what in ("rgb", *TRUTH)


MVTEC_3D = ProductTree(
    "mvtec_3d",
    TITLE,
    _is_product,
    _entries,
    "wanted train/good/rgb and train/good/xyz in a product's folder",
    PLACES,
)
list_mvtec_3d = MVTEC_3D.listing
