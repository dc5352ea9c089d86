"""A plain folder of images of one product, or of one folder a product, laid out in any of the common ways:

    <root>/good/a.jpg                        also ok, normal, train/good, ...: good parts need no mask
    <root>/defect/<type>/b.jpg               also <type>/b.jpg, test/<type>/b.jpg, bad/b.jpg, or b.jpg beside everything
    <root>/defect/<type>/<batch>/b.jpg       the first folder is the type, unless source.type_from says otherwise
    <root>/defect/<type>/b.png               its mask: the same name with another ending, or b_mask.png, b-gt.png, ...
    <root>/masks/<type>/b.png                or in a parallel folder (ground_truth, gt, labels, ...), by type or flat
    <root>/<product>/...                     several folders with good and with defective images are products
    <root>/split.json                        optional: which are shots and which test (`synth.sources.split_file`)

Image and mask are paired by name, never by order. Folders named test hold images for measuring, val those for choosing
thresholds. What was inferred stands in the listing's notes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.errors import SourceError
from synth.io.names import own_name
from synth.printable import printable
from synth.sources.folder_names import FolderRules, Parts, says
from synth.sources.folder_notes import alike_types, folder_notes
from synth.sources.folder_places import Place, place_in_product
from synth.sources.listing import Entry, Listing, Problem, is_image, limit_good_images, look_below, open_root
from synth.sources.mask_folders import FolderTree, understand
from synth.sources.split_file import apply_split

SPLIT_FILE = "split.json"
UNTYPED = "defect"
"""The defect type of images that lie in no folder of a type."""
FEW = 3
"""Images of a folder without masks that are named one by one."""


def list_folder(
    root: str | Path,
    *,
    split: str | None = None,
    product: str | None = None,
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
    follow_links: bool = False,
    **rules: Any,
) -> Listing:
    """All images below root with their masks, as one product or as one a folder. `split`: see FolderSource; `rules`:
    the fields of FolderRules. A `product` that is named is the only one; SourceError where `rules` say otherwise."""
    root = open_root(root)
    files, problems, notes = look_below(root, exclude, follow_links)
    said = _rules(product, rules)
    tree = understand(_by_folder(root, files), said)
    problems.extend(_said_in_vain(root, said, tree))
    entries: list[Entry] = []
    for made in _entries(root, product or own_name(root), tree):
        if isinstance(made, Entry):
            entries.append(made)
        else:
            problems.append(made)
    problems.extend(_shared(root, entries))
    problems.extend(_orphans(tree))
    if not any(folder.images for folder in tree.sorted.values()):
        problems.append(_no_images(root, files))
    entries, wrong = _split(root, split, files, entries)
    problems.extend([*wrong, *alike_types(root, entries)])
    entries = sorted(entries, key=lambda entry: entry.id)
    notes = (*notes, *folder_notes(root, tree, entries, said))
    return Listing("folder", root, limit_good_images(entries, good_limit), tuple(problems), notes)


def _rules(product: str | None, fields: dict[str, Any]) -> FolderRules:
    said = FolderRules(**fields)
    if product and said.products == "folders":
        raise SourceError(
            f"source.product names the only product, {product!r}, and source.products: folders asks for one a folder; "
            "remove one of them"
        )
    return replace(said, products="one") if product else said


def _said_in_vain(root: Path, said: FolderRules, tree: FolderTree) -> Iterator[Problem]:
    """Fields that mean no folder."""
    folders = {folder[:depth] for folder in tree.files for depth in range(1, len(folder) + 1)}
    for name in ("good", "masks", "types"):
        for pattern in getattr(said, name):
            if not any(says((pattern,), folder) for folder in folders):
                remedy = "name a folder that holds images, or its path below this one"
                yield Problem(str(root), f"no folder matches {pattern!r} of source.{name}", remedy)
    if said.products == "folders" and not _products(tree):
        remedy = "correct it, or say source.good for folders of good images"
        yield Problem(
            str(root), "has no folder with good and defective images, as source.products: folders says", remedy
        )


def _by_folder(root: Path, files: Iterable[Path]) -> dict[Parts, list[Path]]:
    """The images in each folder that holds some."""
    found: dict[Path, list[Path]] = defaultdict(list)
    for file in filter(is_image, files):
        found[file.parent].append(file)
    return {folder.relative_to(root).parts: images for folder, images in found.items()}


def _entries(root: Path, product: str, tree: FolderTree) -> Iterator[Entry | Problem]:
    """What each image is, good ones last; an error for those of which that is not sure."""
    several = bool(_products(tree))
    homes = {image: folder for folder, found in tree.sorted.items() for image in found.images}
    masked = {homes[image] for image, masks in tree.found.items() if masks}
    outside: Counter[str] = Counter()
    bare: dict[Parts, list[Path]] = defaultdict(list)
    for image, masks in tree.found.items():
        folder = homes[image]
        place = tree.places[folder]
        if several and place.product is None:
            outside["/".join(folder[:1])] += 1
        elif len(masks) > 1:
            names = ", ".join(str(mask.relative_to(root)) for mask in masks)
            remedy = "keep the one that marks its defect type, or leave the others out with source.exclude"
            yield Problem(str(image), f"has several masks: {names}", remedy)
        elif place.kind != "good" and not masks:
            bare[folder].append(image)
        else:
            yield _entry(product, image, folder, place, masks[0] if masks else None)
    for folder, unmarked in bare.items():
        yield from _without_masks(root, unmarked, folder, masked)
    for name, number in outside.items():
        images = f"{number} image{'s' * (number > 1)}"
        what = f"holds {images} beside the products {', '.join(sorted(_products(tree)))}, and of none of them"
        remedy = "move them into a product's folder, or say source.products: one if all are one product"
        yield Problem(str(root / name), what, remedy)
    for found in tree.sorted.values():
        for image, others in found.clashes:
            what = f"has the same name as {', '.join(file.name for file in others)}"
            yield Problem(str(image), what, f"rename them; a mask beside its image is {image.stem}_mask.png")


def _products(tree: FolderTree) -> set[str]:
    return {place.product for place in tree.places.values() if place.product}


def _entry(product: str, image: Path, folder: Parts, place: Place, mask: Path | None) -> Entry:
    below = folder if place.product is None else place_in_product(folder, place.product)
    own = place.product or product
    defect = None if place.kind == "good" else place.kind or UNTYPED
    return Entry("/".join((own, *below, image.name)), image, own, defect, place.split, mask)


def _without_masks(root: Path, images: list[Path], folder: Parts, masked: set[Parts]) -> Iterator[Problem]:
    """An error for each image; one for all of a folder of many, none of which has a mask."""
    name = printable(folder[-1]) if folder else ""
    whole = f"where all of {name} is good, say source.good: [{name}]; where its masks are in another folder, name that "
    whole += "in source.masks"
    if folder and folder not in masked and len(images) > FEW:
        what = f"holds {len(images)} images, none of which has a mask"
        yield Problem(str(root.joinpath(*folder)), what, f"{whole}; else add masks, such as {images[0].stem}_mask.png")
        return
    for image in images:
        wanted = image.with_name(f"{image.stem}_mask.png")
        remedy = f"add {wanted}, white where the defect is, or move the image to {root / 'good'} if it shows none"
        yield Problem(str(image), "has no mask", f"{remedy}; {whole}" if folder and folder not in masked else remedy)


def _split(
    root: Path, split: str | None, files: Sequence[Path], entries: list[Entry]
) -> tuple[list[Entry], list[Problem]]:
    """The entries as a split file in the root says, where there is one."""
    if split or root / SPLIT_FILE in files:
        return apply_split(root / (split or SPLIT_FILE), root, entries)
    unread = [file for file in files if file.name == SPLIT_FILE and len(file.relative_to(root).parts) == 2]
    if unread and len({entry.product for entry in entries}) > 1:
        what = "is the split file of one product among several, and is not read"
        return entries, [Problem(str(unread[0]), what, "name its folder as source.root, or join them in root")]
    return entries, []


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


def _orphans(tree: FolderTree) -> list[Problem]:
    """Masks that mean no image; a warning, since nothing is learnt from them."""
    return [
        Problem(str(mask), "is a mask without an image", "remove it, or give image and mask the same name", "warning")
        for mask in sorted(set(tree.index.of) - tree.index.used)
    ]


def _no_images(root: Path, files: Sequence[Path]) -> Problem:
    endings = sorted({file.suffix.lower() or file.name for file in files})
    what = f"holds no images, only {', '.join(endings[:5])} files" if endings else "is empty"
    return Problem(str(root), what, "give a folder with good/ and <defect type>/ of PNG, JPEG, BMP or TIFF images")
