"""The MVTec 3D-AD tree, of one product or of several side by side; a part of it will do:

<root>/<product>/train/good/rgb/000.png          image
<root>/<product>/train/good/xyz/000.tiff         its organised cloud, same stem; .npy and .npz are taken too
<root>/<product>/train/good/depth/000.png        in place of xyz: 16-bit depth, for which source.camera gives the camera
<root>/<product>/validation/good/...             counts as train
<root>/<product>/test/<type>/rgb, xyz, gt/000.png   (ground_truth in place of gt is taken too)

Files elsewhere, such as <product>/calibration/camera_parameters.json, are not read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.io.grids import SUFFIXES as SCANS
from synth.sources.listing import Entry, Listing, Problem, is_image
from synth.sources.product_tree import ProductTree, misplaced
from synth.sources.scan_options import Background, ScanOptions, ScanUnit
from synth.sources.scans import with_unit

SPLITS = {"train": "train", "validation": "train", "test": "test"}
TRUTH = ("gt", "ground_truth")
TITLE = "MVTec 3D-AD"
GEOMETRY = ("xyz", "depth")
PLACES = "rgb, xyz (TIFF, .npy, .npz), depth or gt in train/good, validation/good or test/<type> of a product's folder"


def _is_product(folder: Path) -> bool:
    return any((folder / "train" / "good" / kind).is_dir() for kind in GEOMETRY)


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    images: list[tuple[str, str, Path]] = []
    known: dict[tuple[str, str, str, str], Path] = {}
    for file in files:
        if not is_image(file) and file.suffix.lower() not in SCANS:
            continue
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
        xyz = next((known[key] for what in GEOMETRY if (key := (part, kind, what, file.stem)) in known), None)
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
    if what in GEOMETRY:
        return file.suffix.lower() in SCANS and (what == "depth" or file.suffix.lower() != ".png")
    return what in ("rgb", *TRUTH) and is_image(file)


MVTEC_3D = ProductTree(
    "mvtec_3d",
    TITLE,
    _is_product,
    _entries,
    "wanted train/good/rgb and train/good/xyz in a product's folder",
    PLACES,
)


def list_mvtec_3d(
    root: str | Path,
    *,
    unit: ScanUnit = "auto",
    camera: str | Mapping[str, Any] = "auto",
    viewpoint: tuple[float, float, float] | None = None,
    background: Background = "auto",
    **options: Any,
) -> Listing:
    """`ProductTree.listing` with what says how scans are read, as `synth.sources.config.Mvtec3dSource` explains it."""
    listing = MVTEC_3D.listing(root, **options)
    scans = ScanOptions.of(camera, unit=unit, viewpoint=viewpoint, background=background)
    return replace(listing, entries=_with_options(listing.entries, scans))


def _with_options(entries: Sequence[Entry], options: ScanOptions) -> tuple[Entry, ...]:
    """The entries with the options of their scans: one unit for each product."""
    scans: dict[str, list[Path]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.split != "train"):
        assert entry.xyz is not None  # this tree's entries have one each
        scans[entry.product].append(entry.xyz)
    known = {product: with_unit(files, options) for product, files in scans.items()}
    return tuple(
        replace(entry, scan=known[entry.product][0], notes=(*entry.notes, *known[entry.product][1]))
        for entry in entries
    )
