"""Outlines of masks as polygons that lose no pixel.

An outline runs along the edges of the pixels, so its coordinates are whole: the first pixel alone has the corners
(0, 0), (1, 0), (1, 1), (0, 1). Whoever fills it by the centres of pixels, as pycocotools and this project's reader do,
gets the mask back. Formats of polygons have no holes, so a hole is joined to the outline by a slit of no width.

Ultralytics and labelme cut coordinates to whole numbers and paint the polygon's border too, which would add pixels to
the right and below. For them an outline lies INSET within the mask, so that its border is painted on the mask's own
pixels.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from synth.writers.regions import Region

Point = tuple[int, int]
"""x, y in px from the image's upper left corner."""
INSET = 0.02
"""Pixels; more than a float32 share of an image's width is off, and too few to be seen."""


def outline(piece: Region) -> list[Point]:
    """The corners of one closed polygon that is the region, which is one connected piece; clockwise as it is seen."""
    ring, *holes = _rings(piece.mask)
    for hole in sorted(holes, key=min):
        ring = _joined(ring, hole)
    return [(x + piece.left, y + piece.top) for x, y in _corners(ring)]


def inset_outline(piece: Region) -> list[tuple[float, float]]:
    """`outline`, INSET px within the region: each corner between the two edges that meet there."""
    ring = outline(piece)
    steps = [_direction(*pair) for pair in zip(ring, [*ring[1:], ring[0]], strict=True)]
    points: list[tuple[float, float]] = []
    for (x, y), (a, b), (c, d) in zip(ring, [steps[-1], *steps], steps, strict=False):
        # The mask is on the right of a step (a, b): towards (-b, a).
        inside = (-b - d, a + c)
        if _pixel(piece, (x, y), inside):
            moves = [inside]
        else:  # two pixels touch by a corner: from one of them into the other
            moves = [(-b - a, a - b), (c - d, c + d)]
        points += [(x + INSET * right, y + INSET * down) for right, down in moves]
    return points


def _pixel(piece: Region, corner: Point, towards: Point) -> bool:
    """Whether the pixel at a corner, diagonally towards that direction, is of the region."""
    column, row = (start + (step - 1) // 2 for start, step in zip(corner, towards, strict=True))
    height, width = piece.mask.shape
    column, row = column - piece.left, row - piece.top
    return 0 <= row < height and 0 <= column < width and bool(piece.mask[row, column])


def _rings(mask: np.ndarray) -> list[list[Point]]:
    """The closed paths along the edges of a mask's pixels, in steps of one, with the mask on their right: the outer
    border, which has the uppermost point, then those of the holes."""
    following = _edges(mask)
    rings = []
    for start in sorted(following, key=lambda point: point[::-1]):
        # In this order no path that is left begins where two of them meet.
        while following[start]:
            rings.append(_traced(following, start))
    return rings


def _edges(mask: np.ndarray) -> dict[Point, list[Point]]:
    """Where the edges that begin at a point end, the mask on their right."""
    padded = np.pad(mask, 1)
    sides = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)),
        (padded[1:-1, :-2], (0, 1), (0, 0)),
    )
    following: dict[Point, list[Point]] = defaultdict(list)
    for beyond, (x0, y0), (x1, y1) in sides:
        for row, column in np.argwhere(mask & ~beyond).tolist():
            following[column + x0, row + y0].append((column + x1, row + y1))
    return following


def _traced(following: dict[Point, list[Point]], start: Point) -> list[Point]:
    """The path from a point back to it; its edges are taken out. Where pixels touch by a corner it turns left, which
    keeps them in one piece."""
    path, ahead = [start], following[start].pop()
    while ahead != start:
        (x0, y0), (x, y) = path[-1], ahead
        path.append(ahead)
        ends = following[ahead]
        left = (x + y - y0, y - x + x0)
        ahead = left if left in ends else ends[0]
        ends.remove(ahead)
    return path


def _joined(ring: list[Point], hole: list[Point]) -> list[Point]:
    """The ring with a slit to the hole: from its leftmost point to the left, above a row of the mask's pixels. Holes
    further to the left are part of the ring."""
    gate, known = min(hole), set(ring)
    x, y = gate
    while (x, y) not in known:
        x -= 1
    here, turn = ring.index((x, y)), hole.index(gate)
    return [*ring[: here + 1], *hole[turn:], *hole[:turn], gate, *ring[here:]]


def _corners(ring: list[Point]) -> list[Point]:
    """The points of a closed path at which it turns, each once."""
    path = [point for point, before in zip(ring, [ring[-1], *ring], strict=False) if point != before]
    steps = [_direction(*pair) for pair in zip(path, [*path[1:], path[0]], strict=True)]
    return [point for point, before, after in zip(path, [steps[-1], *steps], steps, strict=False) if before != after]


def _direction(start: Point, end: Point) -> Point:
    (x0, y0), (x1, y1) = start, end
    return (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
