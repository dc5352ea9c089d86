"""Marks: the defects of the shots lifted out of their images, described so that they can be laid elsewhere.

A mark knows its pixels, its outline, how large it is on its product, where it sits, and whether it grows out of an
edge. Where shots are few, new outlines are drawn in their style.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synth.placing.turning import ellipse, lie_alike

_GRID = 256
_AT_EDGE = 0.012
_ALONG_GRAIN = 0.21


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """One defect, cropped. Angles in radians from the x axis towards larger rows; vectors are (row, column).

    outline (h, w) bool; image (h, w, 3) uint8 and product (h, w) bool, where the part is in it, or None for a drawn
    outline; size: larger extent of the outline over the square root of the product's area; centre: place of the
    outline's middle in the product's bounding box, each in [0, 1]; outward: unit vector towards the product's edge that
    the mark touches, None for one inside; touches: reaches an edge; angle, elongation: of the ellipse with the same
    second moments."""

    outline: np.ndarray
    image: np.ndarray | None
    product: np.ndarray | None
    size: float
    centre: tuple[float, float]
    outward: tuple[float, float] | None
    touches: bool
    angle: float
    elongation: float

    @property
    def extent(self) -> int:
        """The larger side of the outline's bounding box, in its own pixels."""
        rows, columns = np.nonzero(self.outline)
        return int(max(np.ptp(rows), np.ptp(columns))) + 1


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a product lies in one image, on a grid of at most 256 cells a side (`scale` cells per pixel).

    region (h, w) bool; depth (h, w): cells to the nearest place outside, the image's border counting as such;
    edge (n, 2) cells along the outline and outward (n, 2), the unit vector out of the product there."""

    region: np.ndarray
    depth: np.ndarray
    edge: np.ndarray
    outward: np.ndarray
    scale: float

    @property
    def span(self) -> float:
        """Square root of the product's area, in pixels of the image."""
        return float(np.sqrt(self.region.sum())) / self.scale

    def place(self, relative: np.ndarray) -> np.ndarray:
        """The pixel (row, column) at a place given in [0, 1] of the product's bounding box."""
        cells = np.argwhere(self.region)
        low, high = cells.min(axis=0), cells.max(axis=0) + 1
        return (low + relative * (high - low)) / self.scale - 0.5

    def relative(self, pixel: np.ndarray) -> np.ndarray:
        """The inverse of `place`."""
        cells = np.argwhere(self.region)
        low, high = cells.min(axis=0), cells.max(axis=0) + 1
        return ((np.asarray(pixel) + 0.5) * self.scale - low) / (high - low)


def survey(product: np.ndarray) -> Ground:
    """The ground of a product mask (H, W) bool with at least one True pixel."""
    height, width = product.shape
    scale = min(1.0, _GRID / max(height, width))
    rows = ((np.arange(max(1, round(height * scale))) + 0.5) / scale).astype(int).clip(0, height - 1)
    columns = ((np.arange(max(1, round(width * scale))) + 0.5) / scale).astype(int).clip(0, width - 1)
    region = product[np.ix_(rows, columns)]
    if not region.any():
        region = np.ones_like(region)
    padded = np.pad(region, 8)
    depth = ndimage.distance_transform_edt(padded)
    soft = ndimage.gaussian_filter(padded.astype(float), 3)
    slope = -np.stack(np.gradient(soft), axis=-1)
    rim = padded & ~ndimage.binary_erosion(padded)
    direction = slope[rim] / np.maximum(np.linalg.norm(slope[rim], axis=1, keepdims=True), 1e-9)
    return Ground(region, depth[8:-8, 8:-8], np.argwhere(rim) - 8, direction, scale)


def describe(image: np.ndarray, mask: np.ndarray, part: np.ndarray | None = None) -> Mark:
    """Lift the defect `mask` (H, W) bool, not empty, out of `image` (H, W, 3) uint8, with half its extent around. part
    (H, W) bool: where the product is; None = everywhere."""
    product = np.ones_like(mask) if part is None else part | mask
    ground = survey(product)
    rows, columns = np.nonzero(mask)
    middle = np.array([rows.min() + rows.max(), columns.min() + columns.max()]) / 2
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    margin = extent // 2 + 4
    area = (
        slice(max(0, rows.min() - margin), rows.max() + margin + 1),
        slice(max(0, columns.min() - margin), columns.max() + margin + 1),
    )
    touches, outward = _contact(ground, rows, columns)
    angle, elongation = ellipse(mask)
    centre = ground.relative(middle).clip(0, 1)
    return Mark(
        mask[area].copy(),
        image[area].copy(),
        product[area].copy(),
        float(extent / ground.span),
        (float(centre[0]), float(centre[1])),
        outward,
        touches,
        angle,
        elongation,
    )


def invent(styles: Sequence[Mark], rng: np.random.Generator) -> Mark:
    """A new outline in the style of the given marks: a wandering line where they are long and thin, else a blob.

    Size, place and bearing on the edge are those of one of them."""
    style = styles[int(rng.integers(len(styles)))]
    side = int(np.clip(style.extent, 24, 96))
    length = side * rng.uniform(0.75, 1.0)
    draw = _line if style.elongation > 4 else _blob
    outline = draw(side, length, length / style.elongation, style.angle, rng)
    angle, elongation = ellipse(outline)
    return Mark(outline, None, None, style.size, style.centre, style.outward, style.touches, angle, elongation)


def turn_limit(marks: Sequence[Mark], directed: bool = False) -> float:
    """How far, in radians, marks of one type may be turned: half a turn to either side, but no further than the
    circular standard deviation of their angles (at least 3 degrees) where three or more are elongated and lie alike,
    that is, where the resultant of their doubled angles is longer than 0.75. On a surface whose grain is directed,
    12 degrees at most."""
    angles = np.array([mark.angle for mark in marks if mark.elongation > 2])
    limit = float(np.deg2rad(lie_alike(angles)))
    return min(limit, _ALONG_GRAIN) if directed else limit


def _contact(ground: Ground, rows: np.ndarray, columns: np.ndarray) -> tuple[bool, tuple[float, float] | None]:
    """Whether the mark reaches the product's edge, and in which direction; None when it reaches opposite edges."""
    cells = (np.stack([rows, columns], axis=1) * ground.scale).astype(int)
    cells = np.minimum(cells, np.array(ground.region.shape) - 1)
    near = ground.depth[cells[:, 0], cells[:, 1]] <= max(2.0, _AT_EDGE * np.sqrt(ground.region.sum()))
    if not near.any():
        return False, None
    contact = np.zeros_like(ground.region)
    contact[tuple(cells[near].T)] = True
    met = ndimage.binary_dilation(contact, np.ones((3, 3)), iterations=2)[tuple(ground.edge.T)]
    mean = ground.outward[met].mean(axis=0) if met.any() else np.zeros(2)
    length = float(np.linalg.norm(mean))
    return True, (float(mean[0] / length), float(mean[1] / length)) if length > 0.5 else None


def _line(side: int, length: float, width: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth wandering stroke of the given length and mean width, tapering at its ends; (n, n) bool."""
    along = np.linspace(-0.5, 0.5, 2 * side)
    sway = ndimage.gaussian_filter1d(rng.normal(size=along.size), along.size / 10)
    sway = 0.04 * length * sway / max(sway.std(), 1e-9)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = along * length * cos - sway * sin, along * length * sin + sway * cos
    half = np.maximum(0.5, 0.7 * width * np.sqrt(1 - (2 * along) ** 2) * rng.uniform(0.7, 1.2))
    reach = int(np.ceil(max(np.abs(x).max(), np.abs(y).max()) + half.max())) + 2
    grid = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    squared = (grid[0][..., None] - y) ** 2 + (grid[1][..., None] - x) ** 2
    return (squared <= half**2).any(axis=-1)


def _blob(side: int, length: float, width: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """An ellipse whose radius wavers by low harmonics; (n, n) bool."""
    reach = side // 2 + 4 + side // 4
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(float)
    cos, sin = np.cos(angle), np.sin(angle)
    u, v = (x * cos + y * sin) / (length / 2), (y * cos - x * sin) / max(width / 2, 1.0)
    turn = np.arctan2(v, u)
    radius = np.ones_like(turn)
    for order in range(2, 6):
        radius += rng.normal(0, 0.22 / order) * np.cos(order * turn + rng.uniform(0, 2 * np.pi))
    return np.hypot(u, v) <= np.maximum(radius, 0.4)
