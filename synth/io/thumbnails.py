"""Small images for the gallery page: data URIs, the square around a defect, and a mask's outline as an SVG path."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

MARGIN = 0.6
"""Room left around a defect in its close-up, as a share of the defect's longer side."""
LEAST_SIDE = 40
"""Side in px below which a close-up shows blocks instead of an image."""


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
    """SVG path along the pixels' own edges around a bool (H, W) mask, in px of the image; filled by fill-rule evenodd,
    it is exactly the mask, holes and all.

    Corners lie where an odd number of the four pixels around is set, and twice where two diagonal ones are. Along each
    line of the grid they pair up, first with second, third with fourth: these pairs are the edges."""
    height, width = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if height.size == 0:
        return ""
    top, left = int(height[0]), int(width[0])
    around = np.pad(mask[top : height[-1] + 1, left : width[-1] + 1], 1).astype(np.int8)
    count = around[:-1, :-1] + around[1:, :-1] + around[:-1, 1:] + around[1:, 1:]
    diagonal = (count == 2) & (around[:-1, :-1] == around[1:, 1:])
    rows, columns = np.nonzero(np.where(diagonal, 2, count % 2))
    rows, columns = (np.repeat(some, 1 + diagonal[rows, columns]) for some in (rows, columns))
    return "".join(_rings(rows + top, columns + left))


def _rings(rows: np.ndarray, columns: np.ndarray) -> Iterator[str]:
    """The closed paths through the corners of `outline`, each along a row first."""
    along, down = _partners(np.lexsort((columns, rows))), _partners(np.lexsort((rows, columns)))
    x, y, seen = columns.tolist(), rows.tolist(), [False] * len(rows)
    for first in range(len(x)):
        if seen[first]:
            continue
        at, steps = first, [f"M{x[first]} {y[first]}"]
        while True:
            beside = along[at]
            below = down[beside]
            seen[at] = seen[beside] = True
            steps.append(f"h{x[beside] - x[at]}")
            if below == first:
                break
            steps.append(f"v{y[below] - y[beside]}")
            at = below
        yield "".join(steps) + "z"


def _partners(order: np.ndarray) -> list[int]:
    """Of each item the other one of its pair, where consecutive items of the order are pairs."""
    partner = np.empty(len(order), int)
    partner[order[::2]], partner[order[1::2]] = order[1::2], order[::2]
    return [int(one) for one in partner]


def _stretch(first: int, last: int, side: int, length: int) -> tuple[int, int]:
    """Start and size of a stretch of `side` px around first..last, moved and cut to lie within 0..length."""
    size = min(side, length)
    start = min(max((int(first) + int(last) - size) // 2, 0), length - size)
    return start, size
