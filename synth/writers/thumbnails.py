"""Small pictures for the gallery page: data URIs, the square around a defect, and a mask's outline as an SVG path."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from skimage.measure import approximate_polygon, find_contours

MARGIN = 0.6
"""Room left around a defect in its close-up, as a share of the defect's longer side."""
LEAST_SIDE = 40
"""Side in px below which a close-up shows blocks instead of a picture."""
TOLERANCE = 0.35
"""Distance in px by which an outline may differ from the mask's own."""


@dataclass(frozen=True, slots=True)
class Box:
    """A square of an image in px; sticks out of the image only where that is smaller."""

    left: int
    top: int
    side: int


def close_up(mask: np.ndarray) -> Box:
    """The square around everything in a bool (H, W) mask, with MARGIN; the middle of the image for an empty mask."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        rows, columns = np.array([0, height - 1]), np.array([0, width - 1])
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    side = min(max(round(extent * (1 + 2 * MARGIN)), LEAST_SIDE), max(height, width))
    top = _slide((rows[0] + rows[-1] + 1 - side) // 2, side, height)
    left = _slide((columns[0] + columns[-1] + 1 - side) // 2, side, width)
    return Box(left, top, side)


def cut_out(image: np.ndarray, box: Box) -> np.ndarray:
    """The box of a uint8 (H, W, 3) image as (side, side, 3); the edge is repeated beyond the image."""
    height, width = image.shape[:2]
    rows = np.clip(np.arange(box.top, box.top + box.side), 0, height - 1)
    columns = np.clip(np.arange(box.left, box.left + box.side), 0, width - 1)
    return image[rows[:, None], columns[None, :]]


def data_uri(image: np.ndarray, side: int, quality: int = 78) -> str:
    """The image as WebP, shrunk so that its longer side is at most `side` px."""
    picture = Image.fromarray(image)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=quality, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def outline(mask: np.ndarray) -> str:
    """SVG path along the border of a bool (H, W) mask, in px of the image; holes come out under fill-rule evenodd."""
    rings = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    # A pixel's centre lies half a pixel from its corner, and the padding shifted everything by one.
    return "".join(_path(approximate_polygon(ring, TOLERANCE) - 0.5) for ring in rings)


def _path(points: np.ndarray) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for y, x in points[:-1]) + "Z"


def _slide(first: int, side: int, length: int) -> int:
    """Move a stretch of `side` px so that it lies within 0..length, centred where it is longer."""
    return int(min(max(first, 0), length - side)) if side <= length else -((side - length) // 2)
