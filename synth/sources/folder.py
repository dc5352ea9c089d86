"""A plain folder of images of one product, laid out in any of the common ways:

    <root>/good/a.jpg                        also ok, normal, train/good, ...: good parts need no mask
    <root>/defect/<type>/b.jpg               also <type>/b.jpg, test/<type>/b.jpg, bad/b.jpg, or b.jpg beside everything
    <root>/defect/<type>/b.png               its mask: the same name with another ending, or b_mask.png, b-gt.png, ...
    <root>/masks/<type>/b.png                or in a parallel folder (ground_truth, gt, labels, ...), by type or flat
    <root>/split.json                        optional: which are shots and which test (`synth.sources.split_file`)

Image and mask are paired by name, never by order. Folders named test or val hold images for measuring.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from os.path import commonpath
from pathlib import Path

from synth.io.names import own_name
from synth.sources.listing import Entry, Listing, Problem, files_below, is_image, limit_good_images, open_root
from synth.sources.split_file import apply_split

GOOD = {
    "good",
    "good_images",
    "ok",
    "normal",
    "normals",
    "defect_free",
    "defect-free",
    "nondefective",
    "no_defect",
    "perfect",
}
TEST = {"test", "testing", "val", "valid", "validation"}
CONTAINERS = TEST | {
    *("train", "training", "image", "images", "img", "imgs", "rgb", "data", "defect", "defects", "defective"),
    *("bad", "ng", "anomaly", "anomalies", "anomalous", "abnormal", "faulty"),
}
MASKS = {
    *("ground_truth", "groundtruth", "ground-truth", "gt", "mask", "masks", "label", "labels"),
    *("annotation", "annotations", "seg", "segmentation", "segmentations"),
}
MASK_NAME = re.compile(r"(?P<stem>.+)[-_. ](mask|masks|gt|label|seg|ground_truth|anno|annotation)", re.IGNORECASE)
SPLIT_FILE = "split.json"
UNTYPED = "defect"
"""The defect type of images that lie in no folder of a type."""

_IMAGE_FIRST = (".jpg", ".jpeg", ".webp", ".jp2", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif", ".png")
_LOSSLESS = (".png", ".gif", ".bmp", ".tif", ".tiff", ".pgm", ".ppm")


@dataclass(slots=True)
class _Masks:
    """Mask files by (folder, stem), for those beside their images, and by (type, stem), for parallel folders."""

    beside: dict[tuple[Path, str], list[Path]] = field(default_factory=lambda: defaultdict(list))
    parallel: dict[tuple[str | None, str], list[Path]] = field(default_factory=lambda: defaultdict(list))
    used: set[Path] = field(default_factory=set)

    def of(self, root: Path, image: Path) -> list[Path]:
        """All masks that could mean this image, the nearest ones only. To be asked for good parts last: a flat mask
        that another image has is none of theirs."""
        kind, _, _ = _place(root, image)
        flat = self.parallel.get((None, image.stem), [])
        if kind == "good":
            flat = [mask for mask in flat if mask not in self.used]
        places = (self.beside.get((image.parent, image.stem)), self.parallel.get((kind, image.stem)), flat)
        found = next((place for place in places if place), [])
        near = {mask: _nearness(root, image, mask) for mask in found}
        nearest = [mask for mask in found if near[mask] == max(near.values())]
        self.used.update(nearest)
        return nearest


def list_folder(
    root: str | Path,
    *,
    split: str | None = None,
    product: str | None = None,
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
    follow_links: bool = False,
) -> Listing:
    """All images below root with their masks, as one product. `split`: see FolderSource."""
    root = open_root(root)
    product = product or own_name(root)
    files, problems = files_below(root, exclude, follow_links)
    images, masks, collisions = _sort(root, [file for file in files if is_image(file)])
    entries: list[Entry] = []
    for file in sorted(images, key=lambda file: _place(root, file)[0] == "good"):
        made = _entry(root, product, file, masks)
        if isinstance(made, Entry):
            entries.append(made)
        else:
            problems.append(made)
    problems.extend(collisions)
    problems.extend(_shared(root, entries))
    problems.extend(_orphans(masks))
    if not images:
        problems.append(_no_images(root, files))
    listed = split or (SPLIT_FILE if root / SPLIT_FILE in files else None)
    if listed:
        entries, wrong = apply_split(root / listed, root, entries)
        problems.extend(wrong)
    entries = sorted(entries, key=lambda entry: entry.id)
    return Listing("folder", root, limit_good_images(entries, good_limit), tuple(problems))


def _sort(root: Path, files: Iterable[Path]) -> tuple[list[Path], _Masks, list[Problem]]:
    """Which files are images and which are masks, by their folders and names alone."""
    masks = _Masks()
    same: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for file in files:
        kind, _, is_mask = _place(root, file)
        if is_mask:
            name = MASK_NAME.fullmatch(file.stem)
            for stem in {file.stem, name["stem"] if name else file.stem}:
                masks.parallel[kind, stem].append(file)
        else:
            same[file.parent, file.stem].append(file)
    images, problems = [], []
    for (folder, stem), group in same.items():
        name = MASK_NAME.fullmatch(stem)
        base = name["stem"] if name else None
        if base and ((folder, base) in same or (name and name[2].lower() in ("mask", "masks", "gt"))):
            masks.beside[folder, base].extend(group)
            continue
        first, *others = sorted(group, key=lambda file: (_IMAGE_FIRST.index(_rank(file)), file.name))
        images.append(first)
        if len(others) == 1 and others[0].suffix.lower() in _LOSSLESS:
            masks.beside[folder, stem].append(others[0])
        elif others:
            what = f"has the same name as {', '.join(file.name for file in others)}"
            problems.append(Problem(str(first), what, f"rename them; a mask beside its image is {stem}_mask.png"))
    return images, masks, problems


def _rank(file: Path) -> str:
    suffix = file.suffix.lower()
    return suffix if suffix in _IMAGE_FIRST else ".png"


def _place(root: Path, file: Path) -> tuple[str | None, str, bool]:
    """(type, split, whether it is a mask) that the folders of a file say; type "good" for good parts, None for none."""
    folders = file.relative_to(root).parts[:-1]
    lower = [name.lower() for name in folders]
    split = "test" if TEST.intersection(lower) else "train"
    is_mask = bool(MASKS.intersection(lower))
    if GOOD.intersection(lower):
        return "good", split, is_mask
    names = [name for name in folders if name.lower() not in CONTAINERS | MASKS]
    return "_".join(names) or None, split, is_mask


def _nearness(root: Path, image: Path, mask: Path) -> tuple[int, bool]:
    """How long the path above both is; then, whether their folders say the same split."""
    return len(commonpath([image, mask])), _place(root, image)[1] == _place(root, mask)[1]


def _entry(root: Path, product: str, file: Path, masks: _Masks) -> Entry | Problem:
    kind, split, _ = _place(root, file)
    found = masks.of(root, file)
    if len(found) > 1:
        names = ", ".join(str(mask.relative_to(root)) for mask in found)
        return Problem(str(file), f"has several masks: {names}", "keep the one that marks its defect type")
    if kind != "good" and not found:
        wanted = file.with_name(f"{file.stem}_mask.png")
        remedy = f"add {wanted}, white where the defect is, or move the image to {root / 'good'} if it shows none"
        return Problem(str(file), "has no mask", remedy)
    name = file.relative_to(root).as_posix()
    defect = None if kind == "good" else kind or UNTYPED
    return Entry(f"{product}/{name}", file, product, defect, split, found[0] if found else None)


def _shared(root: Path, entries: Iterable[Entry]) -> Iterator[Problem]:
    """Masks that several defective images would have; whose each is, the folders do not say."""
    users: dict[Path, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.mask and entry.defect:
            users[entry.mask].append(entry)
    for mask, group in users.items():
        if len(group) == 1:
            continue
        names = ", ".join(str(entry.file.relative_to(root)) for entry in group)
        own = group[0].file.with_name(f"{group[0].file.stem}_mask.png")
        if len({entry.defect for entry in group}) > 1:
            kind = next(entry.defect for entry in group if entry.defect not in (None, UNTYPED))
            own = mask.parent / str(kind) / mask.name
        yield Problem(str(mask), f"is the mask of several images: {names}", f"give each its own, such as {own}")


def _orphans(masks: _Masks) -> list[Problem]:
    """Masks that mean no image; a warning, since nothing is learnt from them."""
    files = {file for group in (masks.beside, masks.parallel) for found in group.values() for file in found}
    return [
        Problem(str(mask), "is a mask without an image", "remove it, or give image and mask the same name", "warning")
        for mask in sorted(files - masks.used)
    ]


def _no_images(root: Path, files: Sequence[Path]) -> Problem:
    endings = sorted({file.suffix.lower() or file.name for file in files})
    what = f"holds no images, only {', '.join(endings[:5])} files" if endings else "is empty"
    return Problem(str(root), what, "give a folder with good/ and <defect type>/ of PNG, JPEG, BMP or TIFF images")
