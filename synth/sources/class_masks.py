"""Masks in which values, palette entries or colours are defect types: one entry for each type that an image shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from synth.errors import SourceError
from synth.io.masks import Value, types_in
from synth.sources.listing import Entry, Listing


def by_class(listing: Listing, classes: Mapping[str, Sequence[Value]]) -> Listing:
    """The listing with an entry for each of `classes` (defect type -> its values in masks) that an image shows, with
    the mask of that type alone. An image with a black mask is good, one with other classes only is left out; both are
    told. An image whose mask cannot be read is left as it is, for the reader to say why."""
    entries: list[Entry] = []
    images: Counter[str] = Counter()
    good = left = 0
    for entry in listing.entries:
        if entry.mask is None:
            entries.append(entry)
            continue
        try:
            types, black = types_in(entry.mask, classes)
        except SourceError:
            entries.append(entry)
            continue
        entries += [_of(entry, kind, classes[kind], len(types) > 1) for kind in types]
        images.update(types)
        if black:
            entries.append(replace(entry, defect=None, mask=None))
        good += black
        left += not types and not black
    shown = ", ".join(f"{images[kind]} of {kind}" for kind in classes)
    note = f"types are read off the masks' values (decided by source.classes): {shown} images"
    note += f"; {good} with a black mask are good" if good else ""
    note += f"; {left} with other values only are left out" if left else ""
    entries.sort(key=lambda entry: entry.id)
    return replace(listing, entries=tuple(entries), notes=(*listing.notes, note))


def _of(entry: Entry, kind: str, values: Sequence[Value], several: bool) -> Entry:
    name = f"{entry.id}#{kind}" if several else entry.id
    return replace(entry, id=name, defect=kind, reading=replace(entry.reading, mask_values=tuple(values)))
