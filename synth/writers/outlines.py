"""Outlines of masks as polygons that lose no pixel.

An outline runs along the edges of the pixels, so its coordinates are whole: the first pixel alone has the corners
(0, 0), (1, 0), (1, 1), (0, 1). Whoever fills it by the centres of pixels, as pycocotools and this project's reader do,
gets the mask back. Formats of polygons have no holes, so a hole is joined to the outline by a slit of no width.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from synth.writers.regions import Region

Point = tuple[int, int]
"""x, y in px from the image's upper left corner."""


def outline(piece: Region) -> list[Point]:
    """The corners of one closed polygon that is the region, which is one connected piece; clockwise as it is seen."""
    ring, *holes = _rings(piece.mask)
    for hole in sorted(holes, key=min):
        ring = _joined(ring, hole)
    return [(x + piece.left, y + piece.top) for x, y in _corners(ring)]


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
