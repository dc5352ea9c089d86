"""Readers of real samples: one file a layout, one line in READERS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

from synth.errors import SourceError
from synth.printable import shown
from synth.sample import Sample
from synth.sources.clouds import is_clouds, list_clouds
from synth.sources.config import FolderSource, ProceduralSource, SourceConfig, TreeSource
from synth.sources.eyecandies import is_eyecandies, list_eyecandies
from synth.sources.folder import list_folder
from synth.sources.listing import Listing, open_root, samples
from synth.sources.mvtec_3d import is_mvtec_3d, list_mvtec_3d
from synth.sources.mvtec_ad import is_mvtec_ad, list_mvtec_ad
from synth.suggest import did_you_mean

READERS: dict[str, Callable[..., Listing]] = {
    "folder": list_folder,
    "mvtec_ad": list_mvtec_ad,
    "mvtec_3d": list_mvtec_3d,
    "eyecandies": list_eyecandies,
    "clouds": list_clouds,
}
"""Layout -> what lists a folder of it. The samples of a listing come from `synth.sources.listing.samples`."""


def read(path: str | Path, layout: str = "auto", **options: Any) -> Iterator[Sample]:
    """The samples of a folder, in a fixed order, read one at a time; `layout` is a name in READERS or "auto".

    Options are those of the layout, such as product="tile" or split="split.json". Raises SourceError, which names file
    and remedy, here for a wrong tree and while iterating for a bad file."""
    return samples(list_tree(path, layout, **options))


def read_source(source: SourceConfig) -> Iterator[Sample]:
    """The samples that a recipe's `source:` block describes."""
    if isinstance(source, ProceduralSource):
        from synth.sources.procedural import read_procedural  # renders: not needed for a folder

        return read_procedural(**source.model_dump(exclude={"kind", "validation_fraction"}))
    return samples(list_source(source))


def list_source(source: TreeSource) -> Listing:
    """What the folder behind a `source:` block holds, before any image is opened."""
    ours = {"kind", "test_fraction", "validation_fraction", "min_shots", "white_level", "foreground"}
    listing = READERS[source.kind](**source.model_dump(exclude=ours))
    if listing.listed and isinstance(source, FolderSource) and source.test_fraction > 0:
        raise SourceError(
            f"{source.root} has a split file, so source.test_fraction={source.test_fraction} says the same twice; "
            "remove one of them"
        )
    white = getattr(source, "white_level", None)
    return replace(listing, entries=tuple(replace(entry, white=white) for entry in listing.entries))


def list_tree(path: str | Path, layout: str = "auto", **options: Any) -> Listing:
    """What a folder holds in a layout."""
    root = open_root(path)
    name = recognise(root) if layout == "auto" else layout
    if name not in [*READERS]:
        raise SourceError(f"layout {shown(layout)} is unknown; {did_you_mean(str(name), ['auto', *READERS])}")
    known = [*signature(READERS[name]).parameters][1:]
    for option in options:
        if option not in known:
            raise SourceError(f"layout {name} has no option {option!r}; {did_you_mean(option, known)}")
    return READERS[name](root, **options)


def recognise(root: Path) -> str:
    """The layout that a folder seems to have."""
    for name, fits in (("mvtec_3d", is_mvtec_3d), ("eyecandies", is_eyecandies), ("mvtec_ad", is_mvtec_ad)):
        if fits(root):
            return name
    return "clouds" if is_clouds(root) else "folder"
