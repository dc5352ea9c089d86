"""Which folders of a tree hold masks: those whose files are of images elsewhere. A word for masks in a folder's name
only makes it a candidate; a defect type may be called label, and a product face mask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synth.sources.folder_names import IMAGES, FolderRules, Parts, mask_candidates, says, word_of
from synth.sources.folder_places import Place, places_of
from synth.sources.mask_content import Looks
from synth.sources.pairing import Folder, MaskIndex, sort_folder

LOOKED_INTO = 30
"""Folders of masks whose files are looked at, if those are of images: the others are as these."""


@dataclass(slots=True)
class FolderTree:
    """A tree as it is understood. masks: the folders of masks, with what their names say besides; unnamed: those of
    them whose names say nothing of masks; refused: folders that are called so and hold images; plain: folders whose
    files are images though they are called masks; typed: words for images that are defect types here; found: each
    image's masks; looks: what its files look like."""

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
    looks: Looks = field(default_factory=Looks)


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
    tree.sorted, tree.index = {}, MaskIndex()
    images: list[tuple[Path, Place]] = []
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
            if lone and not _are_masks(tree, lone, used):
                tree.plain.add(folder)
        else:
            below[marker].extend(files)
            if sort_folder(files).beside:
                tree.refused.add(marker)
    for number, (marker, files) in enumerate(below.items()):
        unused = (marker in tree.unnamed or tree.masks[marker]) and used.isdisjoint(files)
        if unused or not _are_masks(tree, files, used, trusted=number >= LOOKED_INTO):
            tree.refused.add(marker)


def _are_masks(tree: FolderTree, files: Sequence[Path], used: Collection[Path], trusted: bool = False) -> bool:
    """Whether these are masks. used: those of defective images; where it is most of them, soft masks are some too, and
    none is opened if `trusted`."""
    most = 2 * sum(file in used for file in files) >= len(files)
    if most and trusted:
        return True
    yes, no = tree.looks.votes(files, soft=most)
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
    votes = {folder: tree.looks.votes(bare[folder]) for folder in outermost if bare[folder]}
    return {folder for folder, (yes, no) in votes.items() if yes > no}


def _masks_of_defects(tree: FolderTree) -> set[Path]:
    """The masks that were found for defective images; a good one takes any mask of its name that is left."""
    shown = ((tree.places[folder].kind, image) for folder, found in tree.sorted.items() for image in found.images)
    return {mask for kind, image in shown if kind != "good" for mask in tree.found[image]}


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
