"""The Eyecandies tree: rendered sweets with depth as 16-bit PNG.

    <root>/<Class>/train/data/000_image_4.png, 000_depth.png, 000_info_depth.yaml
    <root>/<Class>/test_public/data/00_image_4.png, 00_depth.png, 00_mask.png, 00_metadata.yaml

`synth.sources.eyecandies_depth` reads the depth. image_4, lit from the left, is the one that the field's usual
conversion keeps. A test sample's defect type is the one of bumps, dents, colors and normals whose mask is not blank;
`combined` for several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.errors import SourceError
from synth.io.masks import read_mask
from synth.sources.listing import Entry, Listing, Problem, as_problem, is_image
from synth.sources.product_tree import ProductTree, misplaced
from synth.sources.scan_options import Background, ScanOptions

SPLITS = {"train": "train", "val": "train", "test_public": "test"}
PRIVATE = "test_private"
"""The archive's test samples without masks: nobody outside its competition knows what they show."""
TITLE = "Eyecandies"
PLACES = "train/data, val/data or test_public/data in a class's folder"
TYPES = ("bumps", "dents", "colors", "normals")


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    data: list[tuple[str, Path]] = []
    for file in filter(is_image, files):
        match file.relative_to(folder).parts:
            case (split, "data", _) if split in SPLITS:
                data.append((split, file))
            case (split, "data", _) if split == PRIVATE:
                continue
            case _:
                yield misplaced(file, TITLE, PLACES)
    known = {file for _, file in data}
    for split, file in data:
        if not file.name.endswith("_depth.png"):
            if not _has_depth(file, known):
                remedy = "add its NNN_depth.png, or remove it"
                yield Problem(str(file), "belongs to no depth image, and is not read", remedy, "warning")
            continue
        stem = file.name.removesuffix("_depth.png")
        image, mask = file.with_name(f"{stem}_image_4.png"), file.with_name(f"{stem}_mask.png")
        if image not in known:
            yield Problem(str(file), f"has no image; wanted {image}", "add it")
            continue
        try:
            marks = mask if mask in known and _marks(mask) else None
            defect = _type(marks, known) if marks else None
        except SourceError as problem:
            yield as_problem(problem, mask)
            continue
        yield Entry(f"{product}/{split}/{stem}", image, product, defect, SPLITS[split], marks, xyz=file)


def _has_depth(file: Path, known: set[Path]) -> bool:
    """Whether a file's name begins like that of a depth image beside it: 000_image_4.png like 000_depth.png."""
    words = file.stem.split("_")
    return any(file.with_name(f"{'_'.join(words[:n])}_depth.png") in known for n in range(1, len(words)))


def _type(mask: Path, known: set[Path]) -> str:
    """The defect type of a sample whose mask.png marks something."""
    stem = mask.name.removesuffix("mask.png")
    files = {kind: mask.with_name(f"{stem}{kind}_mask.png") for kind in TYPES}
    kinds = [kind for kind, file in files.items() if file in known and _marks(file)]
    return kinds[0] if len(kinds) == 1 else "combined" if kinds else "defect"


def _marks(mask: Path) -> bool:
    return bool(read_mask(mask).any())


def _is_class(folder: Path) -> bool:
    return any((folder / "train" / "data").glob("[!.]*_info_depth.yaml"))


EYECANDIES = ProductTree(
    "eyecandies",
    TITLE,
    _is_class,
    _entries,
    "wanted <Class>/train/data/000_depth.png",
    PLACES,
)


def list_eyecandies(root: str | Path, *, background: Background = "auto", **options: Any) -> Listing:
    """`ProductTree.listing` with what the samples lie on, as `synth.sources.config.EyecandiesSource` explains it."""
    listing = EYECANDIES.listing(root, **options)
    scans = ScanOptions(camera="eyecandies", background=background)
    return replace(listing, entries=tuple(replace(entry, scan=scans) for entry in listing.entries))
