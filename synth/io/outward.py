"""Normals of unorganised clouds: fitted, and turned to the outside.

Which side is outside shows where one can look from: a point of a closed part is seen from the side that its normal
points to, and never from the other. Where a cloud shows one side of a part, both sides are seen, and the sensor's place
decides. Signs are settled for all points together: neighbours agree, and what is seen counts.

s = argmin sum_ij w_ij (s_i - sign(n_i . n_j) s_j)^2 + sum_i a_i (s_i - seen_i)^2,  n_i <- sign(s_i) n_i
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import cg
from scipy.spatial import cKDTree

from synth.io.extent import extent
from synth.io.spread import thinned

NEIGHBOURS = 24
"""Points that a normal is fitted to."""
LINKS = 10
"""Neighbours whose sign a point's agrees with."""
DIRECTIONS = 36
"""Directions from far away from which a cloud is looked at."""
FACING = 0.5
"""Cosine between a normal and a direction from which that counts as a look at the point."""
CELL = 2.0
"""Side, in spacings, of the squares in which a point hides those behind it."""
BEHIND = 0.6
"""How far, in spacings, another point has to lie before a point's own plane to hide it."""
CLEAR = 0.7
"""One-sidedness (see `one_sided`) from which a point is seen from one side alone."""
CLOSED = 0.75
"""Share of such points from which a cloud is a closed part."""
LEANS = 0.2
"""Mean one-sidedness from which an open cloud has an outside, as a part that was scanned from all sides but one."""
OWN, WEAK = 1.0, 1e-3
"""Weight of what is seen of a point beside its neighbours' agreement, and of a rule for want of that."""
CONE = 0.6
"""Cosine between the view and the axis z within which a cloud lies that a camera at (0, 0, 0) has seen."""
ONE_LAYER = 0.9
"""Share of the directions from a viewpoint that meet the cloud once, for it to have been seen from there."""
MOST = 50_000
"""Points on which is decided which side is outside; of more, evenly many."""

FEW_VALUES = 0.25
"""Different values over points, of x and of y, below which a cloud is a grid in x and y."""

Side = Literal["closed", "viewpoint", "height map", "camera", "mostly closed", "up"]
"""By what the outside was known: seen from all sides; a viewpoint that the recipe or the file names; a grid in x and y
with one height a place; (0, 0, 0) as a camera's place; seen from most sides; nothing, so that normals point up."""


@dataclass(frozen=True, slots=True)
class Oriented:
    """normals (N, 3) float64 unit, outward; how that was known."""

    normals: np.ndarray
    side: Side


@dataclass(frozen=True, slots=True)
class Sensor:
    """Where the sensor may have been, (3,) in the cloud's frame. viewpoint: as the recipe (`named`, followed in any
    case) or the file says; zero: the place of (0, 0, 0) in the frame of its source, where a camera is in its own."""

    viewpoint: np.ndarray | None = None
    named: bool = False
    zero: np.ndarray | None = None


def oriented(points: np.ndarray, tree: cKDTree | None = None, sensor: Sensor | None = None) -> Oriented:
    """Normals fitted to points (N, 3), outward."""
    sensor = sensor or Sensor()
    if len(points) > MOST:
        return _oriented_by_some(points, tree, sensor)
    tree = cKDTree(points) if tree is None else tree
    normals, near, spacing = fitted(points, tree)
    seen, looks = one_sided(points, normals, spacing)
    closed = float((np.abs(seen[looks > 0]) > CLEAR).mean()) >= CLOSED if looks.any() else False
    place, side = _place(points, spacing, closed, sensor)
    if place is not None:
        towards = np.einsum("ij,ij->i", normals, place - points)
        return Oriented(normals * np.where(towards < 0, -1.0, 1.0)[:, None], side)
    links = _links(points, normals, near)
    signs = _agreed(links, seen, OWN)
    if closed or float((seen * signs).mean()) > LEANS:
        return Oriented(normals * signs[:, None], "closed" if closed else "mostly closed")
    return Oriented(normals * _agreed(links, normals[:, 2], WEAK)[:, None], "up")


def fitted(points: np.ndarray, tree: cKDTree) -> tuple[np.ndarray, np.ndarray, float]:
    """For points (N, 3): the direction in which the NEIGHBOURS nearest spread least, (N, 3) of any sign; these
    neighbours, (N, k), the point itself first; and the spacing of the surface's points."""
    apart, near = tree.query(points, min(NEIGHBOURS, len(points)), workers=-1)
    away = points[near] - points[near].mean(1, keepdims=True)
    normals = np.linalg.eigh(np.einsum("nki,nkj->nij", away, away))[1][..., 0]
    return normals, near, float(np.median(apart[:, -1])) * float(np.sqrt(np.pi / apart.shape[1]))


def one_sided(points: np.ndarray, normals: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """From which side each point is seen: (N,) from -1, always from behind its normal, to 1; 0 = from both or never.
    And from how many of DIRECTIONS, (N,)."""
    box = extent(points)
    middle, reach, cell = (box.low + box.high) / 2, 0.51 * box.diagonal, CELL * max(spacing, 1e-3 * box.diagonal)
    width = int(2 * reach / cell) + 1
    front, back = np.zeros(len(points)), np.zeros(len(points))
    for towards in _directions(DIRECTIONS):
        axes = np.linalg.svd(towards[None])[2][1:]
        rows, columns = np.clip(((points - middle) @ axes.T + reach) / cell, 0, width - 1).astype(int).T
        place, order = rows * width + columns, np.argsort(points @ towards, kind="stable")
        nearest = np.full(width * width, -1)
        nearest[place[order]] = order
        cosine = normals @ towards
        side = np.where(cosine < 0, -1.0, 1.0)
        before = np.einsum("ij,ij->i", points[nearest[place]] - points, normals) * side
        looked = (np.abs(cosine) > FACING) & (before <= BEHIND * spacing)
        front += looked & (side > 0)
        back += looked & (side < 0)
    return (front - back) / np.maximum(front + back, 1), front + back


def disorder(points: np.ndarray, normals: np.ndarray) -> float:
    """Share of neighbours on one surface whose given normals point to opposite sides: 0 where they are oriented, 0.5
    where their signs are random."""
    some = points if len(points) <= MOST else points[:: -(-len(points) // MOST)]
    own = normals if len(points) <= MOST else normals[:: -(-len(points) // MOST)]
    _, near = cKDTree(some).query(some, min(LINKS, len(some)), workers=-1)
    links = _links(some, own, near)
    return float((links.data < 0).mean()) if links.nnz else 0.0


def _oriented_by_some(points: np.ndarray, tree: cKDTree | None, sensor: Sensor) -> Oriented:
    """`oriented` for many points: evenly many decide, and each other point faces as the nearest of these."""
    some = thinned(points, MOST)
    known = oriented(points[some], sensor=sensor)
    normals, _, _ = fitted(points, cKDTree(points) if tree is None else tree)
    nearest = cKDTree(points[some]).query(points, workers=-1)[1]
    agrees = np.einsum("ij,ij->i", normals, known.normals[nearest])
    return Oriented(normals * np.where(agrees < 0, -1.0, 1.0)[:, None], known.side)


def _place(points: np.ndarray, spacing: float, closed: bool, sensor: Sensor) -> tuple[np.ndarray | None, Side]:
    """Where the sensor was, if that decides which side is outside."""
    if sensor.viewpoint is not None and (sensor.named or not closed):
        return sensor.viewpoint, "viewpoint"
    if not closed and _is_grid(points, spacing):
        above = np.array([0, 0, 1e3 * float(np.ptp(points, axis=0).max())])
        return points.mean(0) + above, "height map"
    if not closed and sensor.zero is not None and _is_camera(points - sensor.zero, spacing):
        return sensor.zero, "camera"
    return None, "closed"


def _is_grid(points: np.ndarray, spacing: float) -> bool:
    """Whether points (N, 3) lie on lines of equal x and of equal y."""
    steps = np.rint(points[:, :2] / (0.01 * spacing or 1)).astype(np.int64)
    return all(len(np.unique(line)) < FEW_VALUES * len(points) for line in steps.T)


def _is_camera(points: np.ndarray, spacing: float) -> bool:
    """Whether a camera at (0, 0, 0) that looks along the axis z, either way, sees all points (N, 3), each alone in its
    direction."""
    distance = np.linalg.norm(points, axis=1)
    if distance.min() <= 4 * spacing:
        return False
    along = points[:, 2] / distance
    if max(float((along > CONE).mean()), float((along < -CONE).mean())) < 0.99:
        return False
    cell = CELL * spacing / float(np.median(np.abs(points[:, 2])))
    flat = points[:, :2] / np.where(np.abs(points[:, 2:]) < 1e-12, 1e-12, points[:, 2:])
    place = np.floor((flat - flat.min(0)) / cell).astype(np.int64)
    _, rank = np.unique(place[:, 0] * (place[:, 1].max() + 1) + place[:, 1], return_inverse=True)
    nearest, furthest = np.full(rank.max() + 1, np.inf), np.zeros(rank.max() + 1)
    np.minimum.at(nearest, rank, distance)
    np.maximum.at(furthest, rank, distance)
    return float((furthest - nearest < 8 * spacing).mean()) >= ONE_LAYER


def _links(points: np.ndarray, normals: np.ndarray, near: np.ndarray) -> csr_matrix:
    """Agreement of signs wanted between neighbours on one surface, (N, N) symmetric: weight |n_i . n_j|^2, negative
    where the normals point to opposite sides. Neighbours out of each other's plane, as across a wall, have none."""
    columns = near[:, 1 : LINKS + 1]
    rows = np.repeat(np.arange(len(points)), columns.shape[1])
    columns = columns.ravel()
    cosine = np.einsum("ij,ij->i", normals[rows], normals[columns])
    away = points[columns] - points[rows]
    out = np.abs(np.einsum("ij,ij->i", away, normals[rows]))
    beside = (out < 0.5 * np.linalg.norm(away, axis=1)) & (np.abs(cosine) > FACING)
    weight = np.sign(cosine) * cosine**2
    links = csr_matrix((weight[beside], (rows[beside], columns[beside])), (len(points), len(points)))
    return (links + links.T).tocsr()


def _agreed(links: csr_matrix, seen: np.ndarray, own: float) -> np.ndarray:
    """Signs (N,), 1 or -1, by the equation above with a_i = `own`."""
    total = np.asarray(abs(links).sum(1)).ravel() + own
    system = diags(total) - links
    scale = diags(1 / total)
    signs, _ = cg(system, own * seen, rtol=1e-4, maxiter=400, M=scale)
    return np.where(signs < 0, -1.0, 1.0)


def _directions(count: int) -> np.ndarray:
    """Unit vectors (count, 3) spread evenly over the sphere."""
    k = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    return np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], 1)
