"""Shapes as people draw them, and the mask that they mean: polygons, run lengths, boxes, ellipses.

A pixel belongs to a shape when its centre lies inside. Coordinates are x, y in px from the image's upper left corner,
so that the centre of the first pixel is (0.5, 0.5), or shares of the image's width and height.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from synth.errors import SourceError
from synth.io.masks import class_values

LEAST_WIDTH = 1
"""Pixels of the outline that is drawn of a polygon between whose borders no pixel's centre lies."""


class Shape(Protocol):
    """One marked region."""

    def draw(self, mask: np.ndarray) -> None:
        """Set the pixels of a mask (H, W) bool that it covers."""


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed outline of x, y pairs; `shares` of the image's width and height, or px."""

    points: tuple[float, ...]
    shares: bool = False

    def draw(self, mask: np.ndarray) -> None:
        """Fill it; where it is thinner than a pixel, draw its outline, so that no mark is lost."""
        from skimage.draw import polygon as polygon_pixels  # takes a quarter of a second

        x, y = (np.array(self.points[start::2], float) for start in (0, 1))
        if self.shares:
            x, y = x * mask.shape[1], y * mask.shape[0]
        rows, columns = polygon_pixels(y - 0.5, x - 0.5, mask.shape)
        if len(rows):
            mask[rows, columns] = True
            return
        outline = np.stack([x, y], axis=1).astype(np.int32).clip(0, np.array(mask.shape[::-1]) - 1)
        drawn = np.zeros(mask.shape, np.uint8)
        cv2.polylines(drawn, [outline], True, 1, LEAST_WIDTH)
        mask |= drawn > 0


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse: centre and half axes in px, turned by `degrees` clockwise as the image is seen."""

    x: float
    y: float
    half_width: float
    half_height: float
    degrees: float = 0.0

    def draw(self, mask: np.ndarray) -> None:
        """Fill it."""
        from skimage.draw import ellipse as ellipse_pixels

        axes = max(self.half_height, 0.5), max(self.half_width, 0.5)
        turn = -np.deg2rad(self.degrees)
        mask[ellipse_pixels(self.y - 0.5, self.x - 0.5, *axes, shape=mask.shape, rotation=turn)] = True


@dataclass(frozen=True, slots=True)
class Runs:
    """Run lengths that begin with zeros, of a box (top, left, height, width) in px; None = of the whole image.
    by_column: pixels run down the columns, as in COCO, and not along the rows."""

    counts: tuple[int, ...]
    box: tuple[int, int, int, int] | None = None
    by_column: bool = True

    def draw(self, mask: np.ndarray) -> None:
        """Set its pixels. ValueError where the runs are not as many as the pixels."""
        top, left, height, width = self.box or (0, 0, *mask.shape)
        values = np.repeat(np.arange(len(self.counts)) % 2 == 1, self.counts)
        if len(values) != height * width:
            raise ValueError(f"holds runs of {len(values)} px for a region of {height} x {width}")
        drawn = values.reshape(width, height).T if self.by_column else values.reshape(height, width)
        rows, columns = max(0, top), max(0, left)
        place = mask[rows : top + height, columns : left + width]
        place |= drawn[rows - top :, columns - left :][: place.shape[0], : place.shape[1]]


@dataclass(frozen=True, slots=True)
class Spans:
    """Pairs of a first pixel, counted from 1 down the columns of the whole image, and a length."""

    values: tuple[int, ...]

    def draw(self, mask: np.ndarray) -> None:
        """Set its pixels. ValueError where they lie beyond the image."""
        flat = np.zeros(mask.size, bool)
        for first, length in zip(self.values[::2], self.values[1::2], strict=True):
            if first < 1 or first - 1 + length > mask.size:
                raise ValueError(f"marks pixel {first + length - 1} of {mask.size}")
            flat[first - 1 : first - 1 + length] = True
        mask |= flat.reshape(mask.shape[::-1]).T


@dataclass(frozen=True, slots=True)
class Pixels:
    """A packed mask of a box (top, left, height, width) in px: a bit a pixel, along the rows."""

    packed: bytes
    box: tuple[int, int, int, int]

    def draw(self, mask: np.ndarray) -> None:
        """Set its pixels."""
        top, left, height, width = self.box
        bits = np.unpackbits(np.frombuffer(self.packed, np.uint8), count=height * width).reshape(height, width)
        place = mask[max(0, top) : top + height, max(0, left) : left + width]
        place |= bits[max(0, -top) :, max(0, -left) :][: place.shape[0], : place.shape[1]].astype(bool)


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask in a file, of the image's size: the pixels of some values, or of any but 0."""

    path: str
    values: tuple[int, ...] = ()

    def draw(self, mask: np.ndarray) -> None:
        """Set its pixels. SourceError where it cannot be read, ValueError for another size."""
        found = class_values(self.path)
        if found.shape != mask.shape:
            raise ValueError(f"is {found.shape[0]} x {found.shape[1]} (height x width), {self.path}")
        mask |= np.isin(found, self.values) if self.values else found > 0


def box(left: float, top: float, right: float, bottom: float, shares: bool = False) -> Polygon:
    """An upright rectangle."""
    return Polygon((left, top, right, top, right, bottom, left, bottom), shares)


@dataclass(frozen=True, slots=True)
class LabelMask:
    """The mask of one class on one image, as shapes from a file of labels. `size`: (H, W) that the file says the image
    has."""

    file: str
    shapes: tuple[Shape, ...]
    size: tuple[int, int] | None = None

    def read(self, size: tuple[int, int], image: str) -> np.ndarray:
        """Bool (H, W) for an image of that size. SourceError where the file speaks of another one, or means nothing."""
        if self.size is not None and self.size != size:
            said, found = (f"{h} x {w} (height x width)" for h, w in (self.size, size))
            turned = (
                "; one of the two is turned by its EXIF tag: export the labels again, or say source.orientation: stored"
                if self.size == size[::-1]
                else "; give the images that were labelled"
            )
            raise SourceError(f"{image} is {found}, but {self.file} labels it as {said}{turned}")
        mask = np.zeros(size, bool)
        for shape in self.shapes:
            try:
                shape.draw(mask)
            except ValueError as problem:
                raise SourceError(f"{self.file}: a shape on {image} {problem}; export the labels again") from problem
        return mask
