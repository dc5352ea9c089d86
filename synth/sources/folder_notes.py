"""What the folder layout made of a tree, as sentences, and which of its types may be one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from synth.printable import printable
from synth.sources.folder_names import BATCH, FolderRules, Parts
from synth.sources.listing import Entry, Problem
from synth.sources.mask_folders import FolderTree
from synth.sources.pairing import image_stem

NAMED = 6
"""Folders or types that a sentence names."""


def folder_notes(root: Path, tree: FolderTree, entries: Sequence[Entry], rules: FolderRules) -> Iterator[str]:
    """What was inferred: the products, then for each its good images, types, masks and roles, then names that were not
    taken as they usually are. Each sentence ends with the field that decides it, if one does."""
    by_product: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_product[entry.product].append(entry)
    if any(place.product for place in tree.places.values()):
        what = "several products, each a folder with good and with defective images of its own"
        yield f"{what}: {_some(sorted(by_product))} (source.products decides)"
    for product, own in by_product.items():
        yield f"{printable(product)}: {'; '.join(_meanings(root, own))}"
    yield from _unusual(tree, rules)


def _meanings(root: Path, entries: Sequence[Entry]) -> Iterator[str]:
    """What one product's folders were taken for."""

    def told(what: str, own: Sequence[Entry]) -> str:
        folders = list(dict.fromkeys(_shown(entry.file.relative_to(root).parts[:-1]) for entry in own))
        more = f" and {len(folders) - 1} more" if len(folders) > 1 else ""
        return f"{what} ({len(own)}) in {folders[0]}{more}"

    by_type: dict[str | None, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_type[entry.defect].append(entry)
    if good := by_type.pop(None, []):
        yield f"{told('good images', good)} (source.good)"
    if by_type:
        yield f"types {_some([told(str(name), own) for name, own in by_type.items()])} (source.type_from)"
        places = Counter(_mask_place(root, entry) for own in by_type.values() for entry in own)
        yield f"masks {_some([f'{place} ({number})' for place, number in places.items()])} (source.masks)"
    for role in ("validation", "test"):
        if own := [entry for entry in entries if entry.split == role and not entry.listed]:
            yield told(f"for {role} by the names of folders", own)


def _mask_place(root: Path, entry: Entry) -> str:
    assert entry.mask is not None  # every defect has one
    if entry.mask.parent != entry.file.parent:
        return f"in {_shown(entry.mask.parent.relative_to(root).parts)}"
    end = entry.mask.stem.removeprefix(image_stem(entry.mask.stem) or entry.mask.stem)
    return f"beside their images as NAME{end}{entry.mask.suffix}"


def _unusual(tree: FolderTree, rules: FolderRules) -> Iterator[str]:
    """Folders whose names usually mean something else."""
    for folder in sorted(tree.refused):
        yield (
            f"{_shown(folder)} holds images, though it is called as masks are: they have masks of their own, or are "
            "the masks of no image elsewhere (source.masks decides)"
        )
    for folder in sorted(tree.plain):
        yield f"{_shown(folder)} holds images that are called as masks are, and look like none (source.exclude)"
    for folder in sorted(tree.unnamed):
        yield f"{_shown(folder)} holds masks: they look so, and have the names of images (source.masks decides)"
    for word in sorted(tree.typed):
        yield f"{word} is a defect type: its folder has masks of its own and lies beside types (source.types decides)"
    images = [folder for folder in tree.files if tree.places[folder].marker is None]
    batches = sorted({name for folder in images for name in folder if BATCH.fullmatch(name)})
    if batches and rules.type_from != "path":
        yield f"batches of one product, and no types: {_some(batches)} (source.types and source.products decide)"
    deeper = [folder for folder in images if len(tree.places[folder].types) > 1 and tree.places[folder].kind != "good"]
    if deeper and rules.type_from != "path":
        yield (
            f"{_some([_shown(folder) for folder in deeper])}: of several names of folders the {rules.type_from} is the "
            "type (source.type_from decides)"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(map(printable, names[:NAMED])) + more


def _shown(folder: Parts) -> str:
    return printable("/".join(folder) + "/") if folder else "the folder itself"


def alike_types(root: Path, entries: Iterable[Entry]) -> Iterator[Problem]:
    """A warning for types of a product that may be one: their names differ in capitals, numbers or dates alone, or one
    begins with all words of the other."""
    types: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.defect is not None:
            types[entry.product].add(entry.defect)
    for product, names in types.items():
        by_words: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name in sorted(names):
            by_words[tuple(re.findall(r"[^\W\d_]+", name.casefold()))].append(name)
        for words, same in by_words.items():
            longer = [name for prefix in _beginnings(words) for name in by_words.get(prefix, ())]
            if words and len(longer) + len(same) > 1:
                names_of = _some([*longer, *same])
                what = f"{product} has the types {names_of}, which may be one; each gets shots and defects of its own"
                remedy = "join their folders, or see source.type_from; if they are several, all is well"
                yield Problem(str(root), what, remedy, "warning")


def _beginnings(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [words[:end] for end in range(1, len(words))]
