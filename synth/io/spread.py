"""A subset of points that lies evenly over a surface, whatever order they come in."""

from __future__ import annotations

import numpy as np

CLOSE = 1.03
"""Occupied cells over points wanted, at most, at which the side of a cell is right."""
STEPS = 24
ENOUGH = 100
"""Points a cell, drawn evenly, that are enough to choose one of."""


def thinned(points: np.ndarray, count: int) -> np.ndarray:
    """Indices (count,), ascending, of `count` of the points (N, 3): of each cell of a grid the one nearest to the
    cell's middle, with cells of the size that gives the count; the cells' next ones where these are too few."""
    if len(points) > ENOUGH * count:
        some = np.sort(np.random.default_rng(0).choice(len(points), ENOUGH * count, replace=False))
        return some[thinned(points[some], count)]
    offset = points - points.min(0)
    order, turn, rank = turns(offset, _cell(offset, count))
    cells = int(rank.max()) + 1
    if cells <= count:
        return np.sort(order[np.argsort(turn, kind="stable")[:count]])
    # Cells in a drawn order, so that those left out are of no row or side.
    kept = np.zeros(cells, bool)
    kept[np.random.default_rng(0).permutation(cells)[:count]] = True
    return np.sort(order[(turn == 0) & kept[rank]])


def turns(points: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For points (N, 3) in the cells of a grid: their indices, those near the middle of their cell first; at which
    turn, from 0, each of these would be taken if every cell gives one a turn; and its cell, from 0."""
    places = np.floor(points / cell)
    off_centre = ((points / cell - places - 0.5) ** 2).sum(1)
    order = np.argsort(off_centre, kind="stable")
    _, rank, sizes = np.unique(_keys(places)[order], return_inverse=True, return_counts=True)
    by_cell = np.argsort(rank, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    turn = np.empty(len(order), np.int64)
    turn[by_cell] = np.arange(len(order)) - starts[rank[by_cell]]
    return order, turn, rank


def _cell(offset: np.ndarray, count: int) -> float:
    """The side of a cubic cell of which `count` to CLOSE times as many hold points. offset (N, 3) from the corner."""
    low, high = 0.0, float(offset.max()) or 1.0
    side = high / max(np.sqrt(count), 1.0)
    for _ in range(STEPS):
        taken = len(np.unique(_keys(np.floor(offset / side))))
        if count <= taken <= CLOSE * count:
            break
        if taken < count:
            high = side
        else:
            low = side
        guess = side * np.sqrt(taken / count)  # cells of a surface go by the square
        side = float(guess) if low < guess < high else 0.5 * (low + high)
    return side


def _keys(places: np.ndarray) -> np.ndarray:
    """One int64 for each cell (N, 3), different for different ones."""
    whole = places.astype(np.int64)
    size = whole.max(0) + 1
    if float(np.prod(size.astype(float))) >= 2**62:  # far apart points in small cells
        return np.unique(whole, axis=0, return_inverse=True)[1].ravel()
    return (whole[:, 0] * size[1] + whole[:, 1]) * size[2] + whole[:, 2]
