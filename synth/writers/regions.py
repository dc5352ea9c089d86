"""The defect instances of a mask, as the formats of instances want them.

Where a sample knows its instances (`Provenance.masks`), each is one region, however many pieces it has; pixels of the
mask that belong to none of them, and masks of samples that know no instances, give one region a connected piece. All
regions together are the mask, and no pixel is in two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synth.sample import Sample

NEIGHBOURS = np.ones((3, 3))
"""Pixels that touch by a corner are of one piece."""


@dataclass(frozen=True, slots=True)
class Region:
    """One instance: its bounding box in px, and bool (height, width), which of the box's pixels it has."""

    left: int
    top: int
    mask: np.ndarray

    @property
    def box(self) -> tuple[int, int, int, int]:
        """left, top, width, height in px."""
        height, width = self.mask.shape
        return self.left, self.top, width, height

    @property
    def area(self) -> int:
        """Pixels."""
        return int(self.mask.sum())

    def pieces(self) -> list[Region]:
        """Its connected pieces, as regions."""
        labels, _ = ndimage.label(self.mask, NEIGHBOURS)
        return _cut(labels, self.left, self.top)

    def drawn(self, size: tuple[int, int]) -> np.ndarray:
        """The region within an image of that (H, W), bool."""
        whole = np.zeros(size, bool)
        height, width = self.mask.shape
        whole[self.top : self.top + height, self.left : self.left + width] = self.mask
        return whole


def regions(sample: Sample) -> list[Region]:
    """The regions of a sample's mask, instances first; [] for a sample without a mask."""
    if sample.mask is None:
        return []
    labels = np.zeros(sample.mask.shape, np.int32)
    made = None if sample.provenance is None else sample.provenance.masks
    if made is not None and made.number.shape == labels.shape:
        labels[sample.mask] = made.number[sample.mask]
    known = int(labels.max(initial=0))
    pieces, _ = ndimage.label(sample.mask & (labels == 0), NEIGHBOURS)
    return _cut(np.where(pieces > 0, pieces + known, labels), 0, 0)


def _cut(labels: np.ndarray, left: int, top: int) -> list[Region]:
    """A region for each number from 1 on in (H, W); left, top: where the array lies in the image."""
    places = enumerate(ndimage.find_objects(labels), start=1)
    return [
        Region(left + place[1].start, top + place[0].start, labels[place] == number)
        for number, place in places
        if place is not None
    ]
