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

import numpy as np

from synth.errors import SourceError
from synth.io.images import decoded
from synth.sources.listing import (
    Entry,
    Listing,
    Problem,
    as_problem,
    files_below,
    is_image,
    limit_good_images,
    open_root,
)
from synth.sources.product_tree import divide, misplaced, product_folders
from synth.sources.scan_options import Background, ScanOptions

SPLITS = {"train": "train", "val": "train", "test_public": "test"}
PRIVATE = "test_private"
"""The archive's test samples without masks: nobody outside its competition knows what they show."""
PLACES = "train/data, val/data or test_public/data in a class's folder"
TYPES = ("bumps", "dents", "colors", "normals")


def is_eyecandies(root: Path) -> bool:
    return bool(product_folders(root, _is_class))


def list_eyecandies(
    root: str | Path,
    *,
    product: str | None = None,
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
    follow_links: bool = False,
    background: Background = "auto",
) -> Listing:
    """Every class below root, or the one that root is. Test samples with a blank mask are good."""
    root = open_root(root)
    files, problems = files_below(root, exclude, follow_links)
    folders = product_folders(root, _is_class)
    if not folders:
        raise SourceError(f"{root} is no Eyecandies tree; wanted <Class>/train/data/000_depth.png")
    below, outside = divide(files, folders)
    problems.extend(misplaced(file, "Eyecandies", PLACES) for file in outside if is_image(file))
    entries: list[Entry] = []
    for folder in folders:
        name = product if product and len(folders) == 1 else folder.absolute().name
        for made in _entries(folder, name, below[folder]):
            if isinstance(made, Entry):
                entries.append(made)
            else:
                problems.append(made)
    if not entries and not any(problem.severity == "error" for problem in problems):
        problems.append(Problem(str(root), "holds no images to read", f"put them into {PLACES}"))
    entries.sort(key=lambda entry: entry.id)
    options = ScanOptions(camera="eyecandies", background=background)
    kept = (replace(entry, scan=options) for entry in limit_good_images(entries, good_limit))
    return Listing("eyecandies", root, tuple(kept), tuple(problems))


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    data: list[tuple[str, Path]] = []
    for file in filter(is_image, files):
        match file.relative_to(folder).parts:
            case (split, "data", _) if split in SPLITS:
                data.append((split, file))
            case (split, "data", _) if split == PRIVATE:
                continue
            case _:
                yield misplaced(file, "Eyecandies", PLACES)
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
    return bool(np.asarray(decoded(mask).convert("L")).any())


def _is_class(folder: Path) -> bool:
    return any((folder / "train" / "data").glob("[!.]*_info_depth.yaml"))
