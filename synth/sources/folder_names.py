"""What the names of folders say: good images, a role, masks, a batch, or a defect type. Words alone decide nothing
about masks: `synth.sources.mask_folders` does, by what the folders hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from synth.io.names import composed

Parts = tuple[str, ...]
"""A folder, as its names below the root."""

GOOD = {
    *("good", "good_images", "ok", "normal", "normals", "perfect", "pass", "passed", "io", "i.o."),
    *("defect_free", "nondefective", "non_defective", "no_defect", "no_defects"),
}
PIECES = {
    "part",
    "parts",
    "piece",
    "pieces",
    "sample",
    "samples",
    "product",
    "products",
    "image",
    "images",
    "img",
    "imgs",
}
"""Words that say no more beside one for good images, as in "OK parts"."""
ROLES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
IMAGES = {"image", "images", "img", "imgs", "rgb", "data"}
CONTAINERS = IMAGES | {
    *("defect", "defects", "defective", "bad", "ng", "anomaly", "anomalies", "anomalous", "abnormal", "faulty"),
}
MASKS = {
    *("ground_truth", "groundtruth", "gt", "mask", "masks", "label", "labels", "annotation", "annotations"),
    *("seg", "segmentation", "segmentations"),
}
FILLERS = {"binary", "png", "bmp", "tif", "pixel", "class", "object"}
"""Words that say no more beside one for masks, as in binary_masks."""
BATCH = re.compile(
    r"(19|20)\d\d[-_. ]?[01]\d([-_. ]?[0-3]\d)?\b.*|[0-3]?\d[-_.][0-3]?\d[-_.](19|20)?\d\d|"
    r"(lot|batch|charge|shift|schicht|day|week|kw|serial)[-_. #]*\d+[a-z]?",
    re.IGNORECASE,
)
"""A date, or a lot, shift or batch by number: images taken together, of no type and no product of their own."""


@dataclass(frozen=True, slots=True)
class FolderRules:
    """What a recipe says of its folders; patterns are for a folder's name or its path below the root. good, masks: in
    place of the usual words. types: folders that are defect types, whatever they are called. type_from: which of
    several names of folders is the type. products: how folders with good and defective images of their own are read."""

    good: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    type_from: Literal["first", "last", "path"] = "first"
    products: Literal["auto", "one", "folders"] = "auto"


class Reading(NamedTuple):
    """A folder by its names alone. tail: the names that say something, from the root on, "good" for good images; good:
    the place of that in `tail`; split: its role; marker: the folder of masks in which it lies."""

    tail: Parts
    good: int | None
    split: str
    marker: Parts | None


def word_of(name: str) -> str:
    """A folder's name as it is looked up among words."""
    return re.sub("[- ]", "_", composed(name).casefold())


def is_good(name: str) -> bool:
    """Whether a folder's name says that its images show no defect."""
    word = word_of(name)
    return word in GOOD or "_".join(part for part in word.split("_") if part not in PIECES) in GOOD


def says(patterns: Collection[str], folder: Parts) -> bool:
    """Whether one of the patterns means this folder."""
    names = composed(folder[-1]).casefold(), composed("/".join(folder)).casefold()
    return any(fnmatchcase(name, composed(pattern).casefold().strip("/")) for pattern in patterns for name in names)


def mask_candidates(folder: Parts, rules: FolderRules) -> Iterator[tuple[Parts, str]]:
    """The folders from the root to this one that may be of masks, outermost first, and what their names say besides:
    crack_masks -> crack."""
    for depth, name in enumerate(folder, 1):
        here = folder[:depth]
        if says(rules.types, here):
            continue
        if rules.masks:
            if says(rules.masks, here):
                yield here, ""
        elif (rest := _besides_masks(name)) is not None:
            yield here, rest


def _besides_masks(name: str) -> str | None:
    """What a name says besides a word for masks; None where it has no such word at either end."""
    if word_of(name) in MASKS:
        return ""
    words = re.split(r"([-_. ]+)", name)
    found = False
    for end in (0, -1):
        while words and word_of(words[end]) in MASKS | CONTAINERS | FILLERS:
            found |= word_of(words.pop(end)) in MASKS
            if words:
                words.pop(end)
    return composed("".join(words)) if found else None


def read_names(folder: Parts, rules: FolderRules, masks: Mapping[Parts, str], typed: Collection[str]) -> Reading:
    """A folder by its names. masks: the folders of masks and what their names say besides; typed: words for images that
    are types here."""
    tail: list[str] = []
    good, split, marker = None, "train", None
    for depth, name in enumerate(folder, 1):
        here, word = folder[:depth], word_of(name)
        told = composed(name)
        if here in masks:
            marker, told = here, masks[here]
            if not told:
                continue
        elif word in ROLES and not says(rules.types, here):
            split = max(split, ROLES[word], key=("train", "validation", "test").index)
            continue
        elif word in CONTAINERS - set(typed) and not says((*rules.types, *rules.good), here):
            continue
        if not says(rules.types, here) and (says(rules.good, here) if rules.good else is_good(told)):
            good, told = len(tail) if good is None else good, "good"
        tail.append(told)
    return Reading(tuple(tail), good, split, marker)
