"""Which product, defect type and role each folder of a tree has: names are read together, since a folder with good
images in it is no type, and two such folders are two products."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from synth.io.names import composed
from synth.sources.folder_names import BATCH, ROLES, FolderRules, Parts, Reading, read_names, word_of


class Place(NamedTuple):
    """What images or masks in a folder are. product: None where the tree is one product, or the folder lies in none;
    kind: the type, "good", or None where no folder says it; split: the role; marker: the folder of masks in which it
    lies; tail: all names by which masks and images of one place agree; types: the names among which the type was
    chosen."""

    product: str | None
    kind: str | None
    split: str
    marker: Parts | None
    tail: Parts
    types: Parts = ()


def places_of(
    folders: Iterable[Parts], rules: FolderRules, masks: Mapping[Parts, str], typed: Collection[str] = ()
) -> dict[Parts, Place]:
    """The place of every folder that holds images. masks: the folders of masks; typed: see `read_names`."""
    readings = {folder: read_names(folder, rules, masks, typed) for folder in folders}
    images = [_unbatched(reading, rules) for reading in readings.values() if reading.marker is None]
    depth, products = _products(images, rules)
    above_good = {names[:end] for names, good in images if good is not None for end in range(1, good + 1)}
    return {folder: _place(reading, rules, depth, products, above_good) for folder, reading in readings.items()}


def place_in_product(folder: Parts, product: str) -> Parts:
    """A folder as its names below the one of its product, after those of a role above that."""
    at = [composed(name) for name in folder].index(product)
    return (*(name for name in folder[:at] if word_of(name) in ROLES), *folder[at + 1 :])


def _unbatched(reading: Reading, rules: FolderRules) -> tuple[Parts, int | None]:
    """The names of a folder without batches, and the place of "good" among them."""
    if rules.products == "folders":
        return reading.tail, reading.good
    names = tuple(name for name in reading.tail if not BATCH.fullmatch(name))
    return names, None if reading.good is None else names.index("good")


def _products(images: Collection[tuple[Parts, int | None]], rules: FolderRules) -> tuple[int, set[str]]:
    """The folders that are products, and how many names lie above them: two or more side by side that hold a folder of
    good images, one of them with defects too. None where the tree is one product."""
    if rules.products == "one":
        return 0, set()
    least = 1 if rules.products == "folders" else 2
    for depth in range(max((len(names) for names, _ in images), default=0)):
        holders = {names[depth] for names, good in images if good is not None and good > depth}
        defects = {names[depth] for names, good in images if good is None and len(names) > depth}
        if len(holders) >= least and holders & defects:
            return depth, holders
        if len({names[: depth + 1] for names, _ in images}) > 1:
            break
    return 0, set()


def _place(reading: Reading, rules: FolderRules, depth: int, products: set[str], above_good: set[Parts]) -> Place:
    names, good = _unbatched(reading, rules)
    product = names[depth] if len(names) > depth and names[depth] in products and good != depth else None
    own = range(depth + 1 if product else 0, len(names))
    types = tuple(names[i] for i in own if names[: i + 1] not in above_good) or tuple(names[i] for i in own)
    if good is not None:
        kind = "good"
    elif rules.type_from == "path":
        kind = "_".join(reading.tail[reading.tail.index(product) + 1 :] if product else reading.tail)
    else:
        kind = types[0 if rules.type_from == "first" else -1] if types else ""
    return Place(product, kind or None, reading.split, reading.marker, reading.tail, types)
