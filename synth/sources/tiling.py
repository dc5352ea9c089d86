"""Windows of images in place of whole ones: tiles of large images, and good windows of defective ones.

`source.tiles` cuts every image that is larger. Of a good image the tiles cover all of it; of a defective one each tile
lies around a defect, so that none is cut in two that fits into a tile. `source.good_from: defective` takes good windows
from defective images, away from their masks, for data without good images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import ndimage

from synth.cache import Cache
from synth.errors import SourceError
from synth.io.decoding import image_size
from synth.sources.listing import Entry, Listing, load

Window = tuple[int, int, int, int]
"""Top, left, height, width in px."""
MARGIN = 0.1
"""Share of a good window's side by which it stays away from the mask of the defective image it is taken from."""
SHARE = 0.4
"""Side of a good window of a defective image, as a share of the image's shorter side, where no tiles are asked for."""
LEAST_SIDE = 32
"""Pixels of the smallest good window."""
LEAST_MARKED = 10
"""Pixels of a defect that a tile shows at least."""


def cut_up(listing: Listing, side: int | None, good_too: bool = False) -> Listing:
    """The listing with tiles of `side` px in place of larger images, None = whole images; `good_too`: with good windows
    of defective images. What was done is in its notes. Masks of defective images are read; an image that cannot be is
    left whole, for the reader to say why."""
    entries: list[Entry] = []
    cut = good = 0
    for entry in listing.entries:
        try:
            tiles = _tiles(entry, side)
            beside = list(_good_windows(entry, side)) if entry.defect and good_too else []
        except SourceError:
            tiles, beside = [entry], []
        cut += tiles != [entry]
        good += len(beside)
        entries += tiles + beside
    notes = [*listing.notes]
    if cut:
        notes.append(
            f"{cut} images larger than {side} px are cut into {len(entries) - good - len(listing.entries) + cut} tiles "
            "(decided by source.tiles): of good images all, of defective ones those around a defect"
        )
    if good_too:
        notes.append(
            f"{good} good windows are taken from defective images, {MARGIN:.0%} of their side away from every mask "
            "(decided by source.good_from)"
        )
    return replace(listing, entries=tuple(sorted(entries, key=lambda entry: entry.id)), notes=tuple(notes))


def _tiles(entry: Entry, side: int | None) -> list[Entry]:
    if side is None:
        return [entry]
    height, width = _size(entry)
    if max(height, width) <= side:
        return [entry]
    if entry.defect is None:
        windows = list(_grid((height, width), side))
    else:
        windows = list(_around(_mask(entry), side))
    return [_windowed(entry, window) for window in windows] or [entry]


def _windowed(entry: Entry, window: Window) -> Entry:
    top, left, height, width = window
    return replace(entry, id=f"{entry.id}@{top},{left},{height}x{width}", window=window)


def _grid(shape: tuple[int, int], side: int) -> Iterator[Window]:
    """Windows that cover an image of `shape` (H, W), evenly, as few as can be."""
    for top in _starts(0, shape[0], shape[0], side):
        for left in _starts(0, shape[1], shape[1], side):
            yield top, left, min(side, shape[0]), min(side, shape[1])


def _starts(first: int, last: int, room: int, side: int) -> list[int]:
    """Where windows begin along an axis of `room` px that cover first .. last - 1; one that covers less lies around
    it."""
    side = min(side, room)
    count = max(1, -(-(last - first) // side))
    spare = (last - first - side) / 2 if count == 1 else 0
    places = np.linspace(first + spare, max(first + spare, last - side - spare), count)
    return np.clip(places.round().astype(int), 0, room - side).tolist()


def _around(mask: np.ndarray, side: int) -> Iterator[Window]:
    """Windows around the defects of a mask (H, W) bool, fewer where several fit into one; none for a blank mask."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    boxes = ndimage.find_objects(labels)
    areas = np.bincount(labels.ravel())[1:]
    order = np.argsort(-areas, kind="stable")
    shown = np.zeros(len(boxes), bool)
    for number in order.tolist():
        if shown[number] or (areas[number] < LEAST_MARKED and shown.any()):
            continue
        rows, columns = boxes[number]
        for top in _starts(rows.start, rows.stop, mask.shape[0], side):
            for left in _starts(columns.start, columns.stop, mask.shape[1], side):
                height, width = (min(side, n) for n in mask.shape)
                if mask[top : top + height, left : left + width].sum() < min(LEAST_MARKED, areas[number]):
                    continue
                yield top, left, height, width
                shown |= [
                    r.start >= top and r.stop <= top + height and c.start >= left and c.stop <= left + width
                    for r, c in boxes
                ]
        shown[number] = True


def _good_windows(entry: Entry, side: int | None) -> Iterator[Entry]:
    """Windows of a defective image that do not overlap and stay away from its mask, as good images of its split."""
    height, width = _size(entry)
    side = min(side or round(SHARE * min(height, width)), height, width)
    if side < LEAST_SIDE:
        return
    mask = _mask(entry)
    if not mask.any():
        return
    margin = round(MARGIN * side)
    taken = np.cumsum(np.cumsum(ndimage.maximum_filter(mask, 2 * margin + 1), 0, dtype=np.int64), 1)
    taken = np.pad(taken, ((1, 0), (1, 0)))
    step = max(1, side // 4)
    chosen: list[tuple[int, int]] = []
    for top in range(0, height - side + 1, step):
        for left in range(0, width - side + 1, step):
            inside = taken[top + side, left + side] - taken[top, left + side] - taken[top + side, left]
            free = inside + taken[top, left] == 0
            if free and all(abs(top - other) >= side or abs(left - beside) >= side for other, beside in chosen):
                chosen.append((top, left))
                good = replace(entry, defect=None, mask=None, label=None)
                yield _windowed(good, (top, left, side, side))


_MASKS = Cache(1)


def _mask(entry: Entry) -> np.ndarray:
    """The mask (H, W) bool of a whole image."""
    mask: np.ndarray | None = _MASKS.get(entry, lambda: load(entry).mask)
    assert mask is not None
    return mask


def _size(entry: Entry) -> tuple[int, int]:
    """(H, W) of a whole image."""
    return image_size(entry.file, turned=entry.reading.orientation != "stored")
