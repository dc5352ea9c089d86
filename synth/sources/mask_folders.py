"""Which folders of a tree hold masks: those whose files are of images elsewhere. A word for masks in a folder's name
only makes it a candidate; a defect type may be called label, and a product face mask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from synth.errors import SourceError
from synth.io.images import decoded, read_mask
from synth.sources.folder_names import IMAGES, FolderRules, Parts, mask_candidates, says, word_of
from synth.sources.folder_places import Place, places_of
from synth.sources.pairing import Folder, MaskIndex, sort_folder

LOOKED_AT = 3
"""Files of a folder that are opened to see whether they are masks."""
FEW_LEVELS = 16
FLAT = 0.95
"""Share of a mask's pixels that have one of two values, or nearly so: the rest are soft edges."""


@dataclass(slots=True)
class FolderTree:
    """A tree as it is understood. masks: the folders of masks, with what their names say besides; unnamed: those of
    them whose names say nothing of masks; refused: folders that are called so and hold images; plain: folders whose
    files are images though they are called masks; typed: words for images that are defect types here; found: each
    image's masks."""

    files: Mapping[Parts, Sequence[Path]]
    masks: dict[Parts, str] = field(default_factory=dict)
    unnamed: set[Parts] = field(default_factory=set)
    refused: set[Parts] = field(default_factory=set)
    plain: set[Parts] = field(default_factory=set)
    typed: set[str] = field(default_factory=set)
    places: dict[Parts, Place] = field(default_factory=dict)
    sorted: dict[Parts, Folder] = field(default_factory=dict)
    index: MaskIndex = field(default_factory=MaskIndex)
    found: dict[Path, list[Path]] = field(default_factory=dict)


def understand(files: Mapping[Parts, Sequence[Path]], rules: FolderRules) -> FolderTree:
    """The tree of the images in each folder: pairs are made with every candidate as a folder of masks, and again
    without those that turn out to be none."""
    tree, tried = FolderTree(files), False
    while True:
        tree.masks = _masks(tree, rules)
        _pair(tree, rules)
        before = len(tree.refused) + len(tree.plain)
        if not rules.masks:
            _refuse(tree)
        if len(tree.refused) + len(tree.plain) > before:
            continue
        if tried or rules.masks:
            break
        tried, tree.unnamed = True, _unnamed(tree, rules)
    tree.refused -= tree.unnamed
    tree.unnamed &= set(tree.masks)
    tree.typed = _typed(tree, rules)
    if tree.typed:
        _pair(tree, rules)
    return tree


def _masks(tree: FolderTree, rules: FolderRules) -> dict[Parts, str]:
    """The outermost candidate above each folder that was not refused, with what its name says besides."""
    chosen: dict[Parts, str] = {}
    for folder in tree.files:
        unnamed = ((here, "") for here in _above(folder) if here in tree.unnamed)
        for here, rest in (*mask_candidates(folder, rules), *unnamed):
            if here not in tree.refused:
                chosen[here] = rest
                break
    return chosen


def _above(folder: Parts) -> list[Parts]:
    return [folder[:depth] for depth in range(1, len(folder) + 1)]


def _pair(tree: FolderTree, rules: FolderRules) -> None:
    tree.places = places_of(tree.files, rules, tree.masks, tree.typed)
    tree.sorted, tree.index, images = {}, MaskIndex(), []
    for folder, files in tree.files.items():
        place = tree.places[folder]
        if place.marker is not None:
            for mask in files:
                tree.index.add_parallel(place, mask)
            continue
        found = tree.sorted[folder] = sort_folder(files, masks_by_name=folder not in tree.plain)
        images.extend((image, place) for image in found.images)
        for stem, masks in found.beside.items():
            tree.index.add_beside(place, stem, masks)
        for mask in found.lone:
            tree.index.add_parallel(place, mask)
    tree.found = dict(tree.index.pair(images))


def _refuse(tree: FolderTree) -> None:
    """Note the folders, among those taken for masks, that hold images: they have masks beside them, or hardly any is
    the mask of an image and they do not look like masks."""
    below: dict[Parts, list[Path]] = defaultdict(list)
    used = _masks_of_defects(tree)
    for folder, files in tree.files.items():
        marker = tree.places[folder].marker
        if marker is None:
            lone = tree.sorted[folder].lone
            if lone and not _are_masks(lone, used):
                tree.plain.add(folder)
        else:
            below[marker].extend(files)
            if sort_folder(files).beside:
                tree.refused.add(marker)
    for marker, files in below.items():
        unused = (marker in tree.unnamed or tree.masks[marker]) and used.isdisjoint(files)
        if unused or not _are_masks(files, used):
            tree.refused.add(marker)


def _are_masks(files: Sequence[Path], used: Collection[Path]) -> bool:
    """Whether these are masks. used: those of defective images. Where it is most of them, soft ones are masks too."""
    readable = 2 * sum(file in used for file in files) >= len(files)
    yes, no = _votes(files, _can_be_mask if readable else looks_like_mask)
    return yes >= no


def _unnamed(tree: FolderTree, rules: FolderRules) -> set[Parts]:
    """The outermost folders all of whose images lack masks and look like masks themselves."""
    bare: dict[Parts, list[Path]] = defaultdict(list)
    others: set[Parts] = set()
    for folder, found in tree.sorted.items():
        image = tree.places[folder].kind == "good" or any(tree.found[image] for image in found.images)
        if image or any(says(rules.types, here) for here in _above(folder)):
            others.update(_above(folder))
        else:
            for here in _above(folder):
                bare[here].extend(found.images)
    whole = {folder for folder in bare if folder not in others}
    outermost = [folder for folder in whole if folder[:-1] not in whole]
    votes = {folder: _votes(bare[folder], looks_like_mask) for folder in outermost if bare[folder]}
    return {folder for folder, (yes, no) in votes.items() if yes > no}


def _masks_of_defects(tree: FolderTree) -> set[Path]:
    """The masks that were found for defective images; a good one takes any mask of its name that is left."""
    shown = ((tree.places[folder].kind, image) for folder, found in tree.sorted.items() for image in found.images)
    return {mask for kind, image in shown if kind != "good" for mask in tree.found[image]}


def _votes(files: Sequence[Path], is_mask: Callable[[Path], bool]) -> tuple[int, int]:
    """How many of a few files spread over these are masks, and how many are none; without those that are no images at
    all, whose reading says why."""
    votes = []
    for file in files[:: max(1, len(files) // LOOKED_AT)][:LOOKED_AT]:
        with suppress(SourceError):
            decoded(file)
            votes.append(is_mask(file))
    return votes.count(True), votes.count(False)


def _can_be_mask(file: Path) -> bool:
    """Whether an image can be read as a mask, or at least looks like one."""
    with suppress(SourceError):
        read_mask(file)
        return True
    return looks_like_mask(file)


def looks_like_mask(file: Path) -> bool:
    """Whether an image has few values, or two of which nearly all pixels are."""
    image = decoded(file)
    values = np.asarray(image if image.mode[0] in "1LIF" and image.mode != "LA" else image.convert("RGB"))
    step = max(1, max(values.shape[:2]) // 512)
    grey = values[::step, ::step].astype(np.float64)
    grey = grey.max(axis=-1) if grey.ndim == 3 else grey
    if len(np.unique(grey)) <= FEW_LEVELS:
        return True
    span = (grey.max() - grey.min()) / FEW_LEVELS
    return bool(((grey - grey.min() < span) | (grey.max() - grey < span)).mean() >= FLAT)


def _typed(tree: FolderTree, rules: FolderRules) -> set[str]:
    """Words for images, such as data, that are the name of a type here: their folder holds defects with masks of their
    own and lies beside folders of types."""
    parents = {folder[:-1] for folder in tree.files}
    beside_types = {folder[:-1] for folder in tree.sorted if folder and tree.places[folder].kind not in (None, "good")}
    typed: set[str] = set()
    for folder, found in tree.sorted.items():
        named = folder and word_of(folder[-1]) in IMAGES and tree.places[folder].kind is None
        if named and folder[:-1] in beside_types and folder not in parents and not says(rules.good, folder):
            if found.beside or any((*marker, folder[-1]) in tree.files for marker in tree.masks):
                typed.add(word_of(folder[-1]))
    return typed
