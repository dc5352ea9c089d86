"""Spacing of a displaced patch of a cloud: where the surface stretches, points are added between neighbours, where it
shrinks, some are left out; its normals turn with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from synth.dual.arrays import cross, dot, norm, unit
from synth.dual.cloud_canvas import Marked

STRETCHED = 1.3
"""Factor of area from which points are added."""
SHRUNK = 0.7
"""Factor of area below which points are left out."""
LEFT_OUT = 0.25
"""Share of the points of shrunk triangles that are left out."""
CLOSEST = 0.75
"""Distance of an added point from all others, in spacings, at least."""
DARTS = 12
"""Places tried for each point that is wanted."""
LONGEST = 6.0
"""Sides of a triangle of neighbours, in spacings, at most."""


@dataclass(frozen=True, slots=True)
class Displaced:
    """A patch of n points after the displacement: `marked`, `before` (n, 3) as they were, `moved` and `stays` (n,) bool
    of those that moved and that are not removed, places q (n, 2) metres in the tangent plane."""

    marked: Marked
    before: np.ndarray
    moved: np.ndarray
    stays: np.ndarray
    q: np.ndarray


def respaced(
    patch: Displaced, spacing: float, number: int, rng: np.random.Generator
) -> tuple[Marked, Marked, np.ndarray]:
    """The patch with the normals of its displaced triangles (Delaunay in the tangent plane), points to add where these
    grew, and indices of points to drop where they shrank; `number` is the defect's."""
    marked = patch.marked
    nothing = marked, marked.only(np.zeros(len(patch.stays), bool)), np.zeros(0, int)
    triangles = _triangles(patch, spacing)
    triangles = triangles[(marked.number == number)[triangles].any(1)]
    if len(triangles) == 0:
        return nothing
    turned = _crossed(marked.points, triangles)
    area, old_area = 0.5 * norm(turned), 0.5 * norm(_crossed(patch.before, triangles))
    marked = replace(marked, normals=_turned_normals(marked, patch.moved, triangles, turned))
    new_area = np.where(area > STRETCHED * old_area, area - old_area, 0)
    # Two triangles make a point: their usual area says what new area is worth.
    usual = 2 * old_area.sum() / len(triangles)
    wanted = int((new_area.sum() / usual if usual > 0 else 0.0) + rng.random())
    added = _added(marked, triangles, new_area, wanted, spacing, number, rng)
    resized = np.unique(triangles[area < SHRUNK * old_area])
    return marked, added, resized[rng.random(len(resized)) > 1 - LEFT_OUT]


def _triangles(patch: Displaced, spacing: float) -> np.ndarray:
    """Triangles (t, 3) between neighbours that stay."""
    corners = np.flatnonzero(patch.stays)
    if len(corners) < 4:
        return np.zeros((0, 3), int)
    try:
        triangles = corners[Delaunay(patch.q[patch.stays]).simplices]
    except QhullError:
        return np.zeros((0, 3), int)
    q = patch.q
    sides = [np.square(q[triangles[:, k]] - q[triangles[:, k - 1]]).sum(1) for k in range(3)]
    return triangles[np.maximum.reduce(sides) < (LONGEST * spacing) ** 2]


def _added(
    patch: Marked,
    triangles: np.ndarray,
    new_area: np.ndarray,
    wanted: int,
    spacing: float,
    number: int,
    rng: np.random.Generator,
) -> Marked:
    """Up to `wanted` points in stretched triangles, by their new area (t,): darts of which none falls nearer to another
    point than CLOSEST spacings."""
    if wanted == 0:
        return patch.only(np.zeros(len(patch.points), bool))
    picked = triangles[rng.choice(len(triangles), DARTS * wanted, p=new_area / new_area.sum())]
    weights = rng.dirichlet((1, 1, 1), len(picked))

    def mixed(values: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nk...->n...", weights, values[picked])

    points = mixed(patch.points)
    kept = _apart(points, patch.points, CLOSEST * spacing, wanted)
    picked, weights = picked[kept], weights[kept]
    nearest = patch.only(picked[np.arange(len(kept)), weights.argmax(1)])
    labels = np.full(len(kept), number, np.int16)
    return replace(nearest, points=points[kept], normals=unit(mixed(patch.normals)), number=labels)


def _apart(darts: np.ndarray, points: np.ndarray, least: float, wanted: int) -> np.ndarray:
    """Indices of the first `wanted` darts (n, 3) that keep `least` metres from the points and from each other."""
    free = np.flatnonzero(np.isinf(cKDTree(points).query(darts, distance_upper_bound=least)[0]))
    beside = cKDTree(darts[free]).query_ball_point(darts[free], least) if len(free) else []
    open_still, kept = np.ones(len(free), bool), []
    for dart, neighbours in enumerate(beside):
        if open_still[dart]:
            kept.append(free[dart])
            open_still[neighbours] = False
        if len(kept) == wanted:
            break
    return np.array(kept, int)


def _crossed(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Normals (t, 3) of triangles (t, 3), twice as long as they are large."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return cross(b - a, c - a)


def _turned_normals(patch: Marked, moved: np.ndarray, triangles: np.ndarray, crossed: np.ndarray) -> np.ndarray:
    """Normals (n, 3) of the moved points from the triangles around them, on the side they were on."""
    crossed = crossed * np.sign(dot(crossed, patch.normals[triangles[:, 0]]))[:, None]
    size = len(patch.points)
    total = np.stack([np.bincount(triangles.ravel(), crossed[:, k].repeat(3), size) for k in range(3)], 1)
    turned = total.any(1) & moved
    return np.where(turned[:, None], unit(total), patch.normals)
