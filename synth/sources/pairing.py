"""Image and mask are paired by name, never by order: in one folder, or in folders that agree in what their names say.

Names agree in any Unicode form; in capitals they may differ where that leaves no doubt."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from os.path import commonpath
from pathlib import Path

from synth.io.names import composed
from synth.sources.folder_places import Place

MASK_NAME = re.compile(r"(?P<stem>.+)[-_. ](mask|masks|gt|label|seg|ground_truth|anno|annotation)", re.IGNORECASE)
_SURE = ("mask", "masks", "gt")
"""Ends of names that mean a mask also where its image is not beside it."""

_IMAGE_FIRST = (".jpg", ".jpeg", ".webp", ".jp2", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif", ".png")
_LOSSLESS = (".png", ".gif", ".bmp", ".tif", ".tiff", ".pgm", ".ppm")
_SPELLINGS: tuple[Callable[[str], str], ...] = (str, str.casefold)


def stem_of(file: Path) -> str:
    """A file's name without its ending, as names are compared."""
    return composed(file.stem)


def image_stem(stem: str) -> str | None:
    """The name of the image that a mask of this name is of: a_mask -> a. None where it does not say mask."""
    name = MASK_NAME.fullmatch(stem)
    return name["stem"] if name else None


@dataclass(slots=True)
class Folder:
    """The images of one folder with the masks beside them. lone: files that are called masks, without their images;
    clashes: images with the others of their names."""

    images: list[Path] = field(default_factory=list)
    beside: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    lone: list[Path] = field(default_factory=list)
    clashes: list[tuple[Path, list[Path]]] = field(default_factory=list)


def sort_folder(files: Iterable[Path], masks_by_name: bool = True) -> Folder:
    """Which files of one folder are images and which are masks, by their names alone. masks_by_name: whether those are
    masks that are called so and have no image beside them."""
    found = Folder()
    same = _by_name(files)
    folded = {stem.casefold() for stem in same}
    for stem, group in same.items():
        name = MASK_NAME.fullmatch(stem)
        if name and name["stem"].casefold() in folded:
            found.beside[name["stem"]].extend(group)
        elif name and name[2].lower() in _SURE and masks_by_name:
            found.lone.extend(group)
        else:
            first, *others = sorted(group, key=lambda file: (_IMAGE_FIRST.index(_rank(file)), file.name))
            found.images.append(first)
            if len(others) == 1 and others[0].suffix.lower() in _LOSSLESS:
                found.beside[stem_of(first)].append(others[0])
            elif others:
                found.clashes.append((first, others))
    return found


def _by_name(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Files of one name together; also an image and another kind of file whose names differ in capitals alone."""
    same: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        same[stem_of(file)].append(file)
    alike: dict[str, list[str]] = defaultdict(list)
    for stem in same:
        alike[stem.casefold()].append(stem)
    for stems in alike.values():
        if len(stems) == 2:
            (one, *more), (other, *others) = (same[stem] for stem in stems)
            if not more and not others and one.suffix.lower() != other.suffix.lower():
                same[stems[0]].append(same.pop(stems[1])[0])
    return same


def _rank(file: Path) -> str:
    suffix = file.suffix.lower()
    return suffix if suffix in _IMAGE_FIRST else ".png"


Key = tuple[object, ...]


@dataclass(slots=True)
class MaskIndex:
    """Masks by the places and names of the images that they may be of. of: where each mask is; used: those that were
    found for an image."""

    keys: dict[Key, list[Path]] = field(default_factory=lambda: defaultdict(list))
    of: dict[Path, Place] = field(default_factory=dict)
    used: set[Path] = field(default_factory=set)

    def add_beside(self, place: Place, stem: str, masks: Iterable[Path]) -> None:
        """Masks of the image of this name in their own folder."""
        for mask in masks:
            self.of[mask] = place
            for spelling in _SPELLINGS:
                self.keys["beside", spelling, mask.parent, spelling(stem)].append(mask)

    def add_parallel(self, place: Place, mask: Path) -> None:
        """A mask in a folder of masks, or in another than its image's."""
        self.of[mask] = place
        stem = stem_of(mask)
        for name in {stem, image_stem(stem) or stem}:
            for spelling in _SPELLINGS:
                self.keys["tail", spelling, place.tail, spelling(name)].append(mask)
                self.keys["type", spelling, place.product, place.kind, spelling(name)].append(mask)

    def find(self, image: Path, place: Place, spelling: Callable[[str], str]) -> list[Path]:
        """The masks that could mean this image, the nearest ones only, in the first of these that holds any: beside
        it; in a folder of masks for its place; for its type; for any type. A mask that was found for an image with
        the same spelling is no other's that is spelt differently, and none for any type is a good image's."""
        stem = spelling(stem_of(image))
        products = dict.fromkeys((place.product, None))
        levels: list[Key] = [
            ("beside", spelling, image.parent, stem),
            ("tail", spelling, place.tail, stem),
            *(("type", spelling, product, place.kind, stem) for product in products),
            *(("type", spelling, product, None, stem) for product in products),
        ]
        for number, key in enumerate(levels):
            taken = spelling is not str or (place.kind == "good" and number > len(levels) - 1 - len(products))
            masks = [mask for mask in self.keys.get(key, ()) if not (taken and mask in self.used)]
            if masks:
                return self._nearest(image, place, masks)
        return []

    def _nearest(self, image: Path, place: Place, masks: list[Path]) -> list[Path]:
        if len(masks) == 1:
            return masks
        near = {mask: (len(commonpath([image, mask])), self.of[mask].split == place.split) for mask in masks}
        return [mask for mask in masks if near[mask] == max(near.values())]

    def pair(self, images: Iterable[tuple[Path, Place]]) -> Iterator[tuple[Path, list[Path]]]:
        """Each image with its masks; the defective ones first, and those whose masks are spelt as they are."""
        images = list(images)
        for good in (False, True):
            waiting = [(image, place) for image, place in images if (place.kind == "good") == good]
            for spelling in _SPELLINGS:
                found = []
                for image, place in waiting:
                    masks = self.find(image, place, spelling)
                    found.append((image, place, masks))
                    if spelling is str:
                        self.used.update(masks)
                waiting = [(image, place) for image, place, masks in found if not masks]
                self.used.update(mask for _, _, masks in found for mask in masks)
                yield from ((image, masks) for image, _, masks in found if masks)
            yield from ((image, []) for image, _ in waiting)
