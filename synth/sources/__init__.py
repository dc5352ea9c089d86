"""Readers of real samples: one file a layout, one line in READERS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any, get_args

from synth.errors import SourceError
from synth.printable import shown
from synth.sample import Sample
from synth.sources.class_masks import by_class
from synth.sources.clouds import is_clouds, list_clouds
from synth.sources.config import FolderSource, ProceduralSource, SourceConfig, TreeSource
from synth.sources.dagm import DAGM, list_dagm
from synth.sources.eyecandies import EYECANDIES, list_eyecandies
from synth.sources.folder import list_folder
from synth.sources.kolektor import KOLEKTOR, list_kolektor
from synth.sources.labels.reader import is_labelled, list_labels
from synth.sources.listing import Listing, open_root, samples
from synth.sources.mvtec_3d import MVTEC_3D, list_mvtec_3d
from synth.sources.mvtec_ad import MVTEC_AD, list_mvtec_ad
from synth.sources.reading import IMAGE_FIELDS, reading_of
from synth.sources.real_iad import REAL_IAD, list_real_iad
from synth.sources.tiling import cut_up
from synth.sources.visa import VISA, list_visa
from synth.suggest import did_you_mean

READERS: dict[str, Callable[..., Listing]] = {
    "folder": list_folder,
    "mvtec_ad": list_mvtec_ad,
    "mvtec_3d": list_mvtec_3d,
    "eyecandies": list_eyecandies,
    "clouds": list_clouds,
    "labels": list_labels,
    "visa": list_visa,
    "dagm": list_dagm,
    "kolektor": list_kolektor,
    "real_iad": list_real_iad,
}
"""Layout -> what lists a folder of it. The samples of a listing come from `synth.sources.listing.samples`."""


_NOT_READ = {
    *("kind", "test_fraction", "shots", "shots_draw", "validation_fraction", "min_shots"),
    *("foreground", "duplicates", "tiles", "good_from", "classes", "licence", *IMAGE_FIELDS),
}
"""Fields of a `source:` block that no reader takes."""


def read(path: str | Path, layout: str = "auto", **options: Any) -> Iterator[Sample]:
    """The samples of a folder, in a fixed order, read one at a time; `layout` is a name in READERS or "auto".

    Options are those of the layout, such as product="tile" or split="split.json", and those of IMAGE_FIELDS, such as
    mask_values=[5]. Raises SourceError, which names file and remedy, here for a wrong tree and while iterating for a
    bad file."""
    return samples(list_tree(path, layout, **options))


def read_source(source: SourceConfig) -> Iterator[Sample]:
    """The samples that a recipe's `source:` block describes."""
    if isinstance(source, ProceduralSource):
        from synth.sources.procedural import read_procedural  # renders: not needed for a folder

        return read_procedural(**source.model_dump(exclude=_NOT_READ))
    return samples(list_source(source))


def list_source(source: TreeSource) -> Listing:
    """What the folder behind a `source:` block holds, before any image is opened."""
    ours = _NOT_READ - ({"classes"} if source.kind == "labels" else set())
    listing = READERS[source.kind](**source.model_dump(exclude=ours))
    if listing.listed and isinstance(source, FolderSource) and source.test_fraction > 0:
        raise SourceError(
            f"{source.root} has a split file, so source.test_fraction={source.test_fraction} says the same twice; "
            "remove one of them"
        )
    listing = _read_as(listing, source.model_dump(include=set(IMAGE_FIELDS)))
    listing = replace(listing, notes=(_layout_note(source.kind, listing.root), *listing.notes))
    classes = None if source.kind == "labels" else getattr(source, "classes", None)
    listing = listing if classes is None else by_class(listing, classes)
    tiles, good_from = getattr(source, "tiles", None), getattr(source, "good_from", "files")
    return listing if (tiles, good_from) == (None, "files") else cut_up(listing, tiles, good_from == "defective")


def _layout_note(kind: str, root: Path) -> str:
    """Why a folder is read in a layout."""
    seems = recognise(root)
    if seems == kind:
        return f"layout {kind}: {WHY[kind]} (source.kind)"
    return f"layout {kind}, as source.kind says; by its folders it would be {seems}: {WHY[seems]}"


def list_tree(path: str | Path, layout: str = "auto", **options: Any) -> Listing:
    """What a folder holds in a layout."""
    root = open_root(path)
    name = recognise(root) if layout == "auto" else layout
    if name not in [*READERS]:
        raise SourceError(f"layout {shown(layout)} is unknown; {did_you_mean(str(name), ['auto', *READERS])}")
    known = _options(name)
    for option in options:
        if option not in known:
            raise SourceError(f"layout {name} has no option {option!r}; {did_you_mean(option, known)}")
    said = {field: options.pop(field) for field in IMAGE_FIELDS if field in options}
    return _read_as(READERS[name](root, **options), said)


def _options(layout: str) -> list[str]:
    """What may be said of a folder in a layout: what its reader takes, and what its `source:` block has of images."""
    config = next(kind for kind in get_args(TreeSource) if kind.model_fields["kind"].default == layout)
    fields = [name for name in config.model_fields if name not in _NOT_READ or name in IMAGE_FIELDS]
    taken = [name for name, one in signature(READERS[layout]).parameters.items() if one.kind is one.KEYWORD_ONLY]
    return [name for name in dict.fromkeys([*fields, *taken]) if name != "root"]


def _read_as(listing: Listing, said: Mapping[str, Any]) -> Listing:
    """The listing with what is said of IMAGE_FIELDS in its entries."""
    reading = reading_of(said)
    return replace(listing, entries=tuple(replace(entry, reading=reading) for entry in listing.entries))


TREES = (MVTEC_3D, EYECANDIES, MVTEC_AD, VISA, REAL_IAD, KOLEKTOR, DAGM)
"""Trees of archives in the order in which they are tried; the first that fits is the layout."""
WHY = {
    **{tree.layout: f"a folder here is laid out as a product of {tree.title}" for tree in TREES},
    "clouds": "it holds clouds or meshes, and fewer images",
    "labels": "it holds images and files of labels, and no masks",
    "folder": "it has the tree of no archive that is known",
}
"""What speaks for a layout that is recognised."""


def recognise(root: Path) -> str:
    """The layout that a folder seems to have."""
    for tree in TREES:
        if tree.fits(root):
            return tree.layout
    if is_clouds(root):
        return "clouds"
    return "labels" if is_labelled(root) else "folder"
