"""Defect crops: the defects of the shots cut out of their images with the surroundings that show where they belong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy import ndimage

from synth.placing.depth import thickness
from synth.placing.faint import Film, film

MARGIN = 0.6
"""Width of the surroundings that count, in extents of the defect."""
_CONTACTS = 24


@dataclass(frozen=True, eq=False)
class DefectCrop:
    """One defect with its surroundings, in full resolution.

    image (h, w, 3) uint8; mask (h, w) bool, not empty; origin: the crop's upper left pixel (row, column) in the shot;
    shape: the shot's (H, W); contacts (n, 2): places (row, column) in the crop just beyond the shot's border, beside
    the defect: a defect that the border cuts off may only lie where the border cuts it off again; faint: whether it is
    large and faint, as are others of its type, so that a surface's own grain shows through it."""

    image: np.ndarray
    mask: np.ndarray
    origin: tuple[int, int]
    shape: tuple[int, int]
    contacts: np.ndarray
    faint: bool = False

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of the mask in the crop."""
        rows, columns = np.nonzero(self.mask)
        return int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1

    @property
    def extent(self) -> int:
        """Larger side of the mask's bounding box, px."""
        top, left, bottom, right = self.box
        return max(bottom - top, right - left)

    @property
    def centre(self) -> np.ndarray:
        """The pixel in the middle of the mask's bounding box, (row, column) in the crop, as float. A whole pixel, so
        that a crop that is only moved keeps its finest detail."""
        top, left, bottom, right = self.box
        return np.array([(top + bottom - 1) // 2, (left + right - 1) // 2], float)

    @property
    def place(self) -> np.ndarray:
        """The same in the shot."""
        return self.centre + self.origin

    @cached_property
    def away(self) -> np.ndarray:
        """Distance in px of every pixel to the mask, (h, w) float32."""
        return cv2.distanceTransform((~self.mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)

    @cached_property
    def thickness(self) -> float:
        """Typical width of the mask, px."""
        return thickness(self.mask)

    @cached_property
    def film(self) -> Film:
        """What it does to the surface, for one that is faint."""
        return film(self.image, self.mask)

    @cached_property
    def outward(self) -> np.ndarray:
        """The way out of the shot at each contact, (n, 2) unit vectors (row, column)."""
        places = self.contacts + self.origin
        return (places >= self.shape).astype(float) - (places < 0)

    @property
    def cut_sides(self) -> set[tuple[float, float]]:
        """The ways out of the shot where its border cuts the defect off, (row, column) each."""
        return {(float(row), float(column)) for row, column in self.outward}

    @cached_property
    def spans(self) -> tuple[bool, bool]:
        """Whether the defect reaches from one border of the shot to the other, along rows and along columns."""
        return {(-1.0, 0.0), (1.0, 0.0)} <= self.cut_sides, {(0.0, -1.0), (0.0, 1.0)} <= self.cut_sides


def cut_crop(image: np.ndarray, mask: np.ndarray, least: float) -> DefectCrop:
    """The defect `mask` (H, W) bool, not empty, of `image` (H, W, 3) uint8, with MARGIN of its extent around it,
    `least` px at the least."""
    rows, columns = np.nonzero(mask)
    extent = max(int(np.ptp(rows)), int(np.ptp(columns))) + 1
    margin = int(np.ceil(max(MARGIN * extent, least))) + 2
    area = (
        slice(max(0, int(rows.min()) - margin), int(rows.max()) + margin + 1),
        slice(max(0, int(columns.min()) - margin), int(columns.max()) + margin + 1),
    )
    origin = (area[0].start, area[1].start)
    return DefectCrop(
        np.ascontiguousarray(image[area]),
        np.ascontiguousarray(mask[area]),
        origin,
        (image.shape[0], image.shape[1]),
        _contacts(mask) - np.array(origin),
    )


def _contacts(mask: np.ndarray) -> np.ndarray:
    """Up to `_CONTACTS` pixels (n, 2) beyond the border that touch the mask, evenly taken."""
    beyond = np.pad(np.zeros_like(mask), 1, constant_values=True)
    touched = np.argwhere(ndimage.binary_dilation(np.pad(mask, 1)) & beyond) - 1  # no corner: dilation is by a cross
    return touched[:: max(1, -(-len(touched) // _CONTACTS))]
