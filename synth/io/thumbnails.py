"""Small images for the gallery page: data URIs, the square around a defect, and a mask's outline as an SVG path."""

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
"""Side in px below which a close-up shows blocks instead of an image."""
TOLERANCE = 0.35
"""Distance in px (blocks) by which an outline may differ from the mask's own."""
OUTLINE_SIDE = 256
"""Longer side of a mask in px up to which its outline is traced pixel by pixel."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of an image, in px."""

    left: int
    top: int
    width: int
    height: int


def close_up(mask: np.ndarray) -> Box:
    """The square around everything in a bool (H, W) mask, with MARGIN, as far as it lies in the image; the whole image
    for an empty mask."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return Box(0, 0, width, height)
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    side = max(round(extent * (1 + 2 * MARGIN)), LEAST_SIDE)
    top, tall = _stretch(rows[0], rows[-1] + 1, side, height)
    left, wide = _stretch(columns[0], columns[-1] + 1, side, width)
    return Box(left, top, wide, tall)


def cut_out(image: np.ndarray, box: Box) -> np.ndarray:
    """The box of an image (H, W, 3) or a mask (H, W)."""
    return image[box.top : box.top + box.height, box.left : box.left + box.width]


def data_uri(image: np.ndarray, side: int, quality: int = 78) -> str:
    """The image as WebP, shrunk so that its longer side is at most `side` px."""
    shown = Image.fromarray(image)
    shown.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    shown.save(buffer, format="WEBP", quality=quality, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def outline(mask: np.ndarray) -> str:
    """SVG path along the border of a bool (H, W) mask, in px of the image; holes come out under fill-rule evenodd.

    Masks with a side beyond OUTLINE_SIDE are traced on blocks of px, each set where any of its px is."""
    block = -(-max(mask.shape) // OUTLINE_SIDE)
    height, width = mask.shape
    whole = np.pad(mask, ((0, -height % block), (0, -width % block)))
    coarse = whole.reshape(whole.shape[0] // block, block, -1, block).any(axis=(1, 3))
    rings = find_contours(np.pad(coarse, 1).astype(np.float32), 0.5)
    # A pixel's centre lies half a pixel from its corner, and the padding shifted everything by one.
    return "".join(_path((approximate_polygon(ring, TOLERANCE) - 0.5) * block) for ring in rings)


def _path(points: np.ndarray) -> str:
    return "M" + "L".join(f"{x:.5g},{y:.5g}" for y, x in points[:-1]) + "Z"


def _stretch(first: int, last: int, side: int, length: int) -> tuple[int, int]:
    """Start and size of a stretch of `side` px around first..last, moved and cut to lie within 0..length."""
    size = min(side, length)
    start = min(max((int(first) + int(last) - size) // 2, 0), length - size)
    return start, size
