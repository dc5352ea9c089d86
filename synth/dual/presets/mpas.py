"""MPAS primitives (Synthesis4AD) that move points: sphere, scratch and freedom. Lengths are shares of the diagonal of
the bounding box.

Written from the formulas of the method. Faults of the released code are mended: its labels were looked up by the
position that points had before they moved, to an absolute 1e-4 (recall 0.14 in metres, 0.00 in millimetres); its convex
spheres went inwards in half of the runs, because a PCA normal has no side; its freedom failed on small regions.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import Delaunay, cKDTree

from synth.dual.frame import tangent_frame
from synth.dual.presets.unorganised import Changed, CloudScheme, drawn_sign, flat_direction, nearest, same_side
from synth.dual.surface import Surface
from synth.errors import GeneratorError

FEWEST = 24
"""Points a region has at least: it grows where the cloud is sparse. [P]"""
ANCHORS = (10, 15)
"""Corner points of a free region. [C]"""
RELAXED = 0.2
"""How far beyond a triangle, in barycentric coordinates, a point still belongs to it. [C]"""
NOISE = 0.2
"""Spread of the noise of a free region over its height. [C]"""
SMOOTHING = 0.02
"""Radius over the diagonal in which normals are averaged along a scratch. [P]"""

Sign = Literal["convex", "concave", "any"]


class MpasSphere(CloudScheme):
    """A ball of points moves by +-n A (1 + cos(pi r / r_max)) / 2, r from the middle of its points, n their PCA normal,
    on the outer side."""

    name: ClassVar[str] = "mpas_sphere"
    radius: float = Field(0.03, description="Of the ball, share of the diagonal. [C]", gt=0, le=0.5)
    height: float = Field(0.02, description="A, share of the diagonal. [C]", gt=0, le=0.5)
    sign: Sign = Field("any", description="Outwards, inwards, or either.")

    def change(self, surface: Surface, rng: np.random.Generator) -> Changed:
        seed = int(rng.integers(len(surface.points)))
        members = region(surface, seed, self.radius * surface.diagonal)
        points = surface.points[members]
        distance = np.linalg.norm(points - points.mean(0), axis=1)
        normal = outer(flat_direction(points), surface.normals[members])
        height = _sign(self.sign, rng) * self.height * surface.diagonal
        return _moved(surface, members, height * taper(distance)[:, None] * normal)


class MpasScratch(CloudScheme):
    """Points within `width` of the shortest path on the surface between two random points move by
    +-n A (1 - r / r_max), r from the path.

    n is each point's own normal, averaged nearby; published is the mean over the path, which on a path around the part
    points along the surface. The end is drawn among the points that the path can reach; published is a straight line
    through the part where it cannot."""

    name: ClassVar[str] = "mpas_scratch"
    width: float = Field(0.01, description="Half-width, share of the diagonal. [C]", gt=0, le=0.2)
    height: float = Field(0.005, description="A, share of the diagonal. [C]", gt=0, le=0.5)
    sign: Sign = Field("any", description="Outwards, inwards, or either.")

    def change(self, surface: Surface, rng: np.random.Generator) -> Changed:
        path = surface_path(surface, rng)
        width = max(self.width * surface.diagonal, 1.5 * surface.spacing)
        distance, step = cKDTree(surface.points[path]).query(surface.points, distance_upper_bound=width)
        members = np.flatnonzero(np.isfinite(distance))
        facing = np.einsum("ij,ij->i", surface.normals[members], surface.normals[path[step[members]]]) > 0
        members = members[facing]
        ramp = 1 - distance[members] / max(distance[members].max(), np.finfo(float).tiny)
        direction = surface.directions(members, SMOOTHING * surface.diagonal)
        height = _sign(self.sign, rng) * self.height * surface.diagonal
        return _moved(surface, members, height * ramp[:, None] * direction)


class MpasFreedom(CloudScheme):
    """A region of irregular outline moves along the seed's normal, by noise or by a wave, tapered by a cosine.

    The outline: triangles between 10 to 15 random points around the seed, a point belonging to each within barycentric
    bounds of -0.2 to 1.2; triangles are drawn in the tangent plane here, published among the outward faces of a
    tetrahedral mesh, which has none where the region is small. Height: 1 + N(0, 0.2), or cos(4 r + theta) exp(-0.6 r^2)
    in polar coordinates of that plane with r = 1 at the rim [P], so that ripples go both ways."""

    name: ClassVar[str] = "mpas_freedom"
    radius: float = Field(0.1, description="Of the region, share of the diagonal. [C]", gt=0, le=0.5)
    height: float = Field(0.02, description="Largest height, share of the diagonal. [C]", gt=0, le=0.5)
    form: Literal["noise", "wave", "any"] = Field("any", description="Noise, a wave, or either.")

    def change(self, surface: Surface, rng: np.random.Generator) -> Changed:
        seed = int(rng.integers(len(surface.points)))
        members = region(surface, seed, self.radius * surface.diagonal)
        normal = surface.normals[seed]
        plane = (surface.points[members] - surface.points[seed]) @ np.stack(tangent_frame(normal)).T
        inside = irregular(plane, rng)
        members, plane = members[inside], plane[inside]
        distance = np.linalg.norm(plane, axis=1)
        wave = self.form == "wave" or (self.form == "any" and rng.random() < 0.5)
        if wave:
            reach = distance / max(distance.max(), np.finfo(float).tiny)
            turn = np.arctan2(plane[:, 1], plane[:, 0])
            relief = np.cos(4 * reach + turn) * np.exp(-0.6 * reach**2)
        else:
            relief = 1 + NOISE * rng.standard_normal(len(members))
        height = drawn_sign(rng) * self.height * surface.diagonal * relief * taper(distance)
        return _moved(surface, members, height[:, None] * normal)


def taper(distance: np.ndarray) -> np.ndarray:
    """(1 + cos(pi r / r_max)) / 2 for distances r (n,): 1 in the middle, 0 at the furthest."""
    return 0.5 * (1 + np.cos(np.pi * distance / max(distance.max(), np.finfo(float).tiny)))


def region(surface: Surface, seed: int, radius: float) -> np.ndarray:
    """Indices of the points within `radius` of the seed that face as it does, at least FEWEST of them."""
    distance = np.linalg.norm(surface.points - surface.points[seed], axis=1)
    distance = np.where(same_side(surface.normals, seed), distance, np.inf)
    members = np.flatnonzero(distance <= radius)
    return members if len(members) >= FEWEST else nearest(distance, FEWEST)


def outer(direction: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """The direction (3,) or its opposite, whichever is on the side of the outward normals (n, 3)."""
    return -direction if normals.sum(0) @ direction < 0 else direction


def irregular(plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which of the places (n, 2) lie in a patchwork of triangles between random ones of them; (n,) bool."""
    count = min(int(rng.integers(ANCHORS[0], ANCHORS[1] + 1)), len(plane))
    anchors = plane[rng.choice(len(plane), count, replace=False)]
    mesh = Delaunay(anchors, qhull_options="QJ")
    # transform: barycentric b = T (x - r), the last coordinate is 1 - sum(b)
    first = np.einsum("tij,tnj->tni", mesh.transform[:, :2], plane[None] - mesh.transform[:, None, 2])
    weights = np.concatenate([first, 1 - first.sum(-1, keepdims=True)], -1)
    within = (weights >= -RELAXED) & (weights <= 1 + RELAXED)
    return np.asarray(within.all(-1).any(0))


def surface_path(surface: Surface, rng: np.random.Generator) -> np.ndarray:
    """Indices of the points along the shortest path on the surface between two random points that it connects."""
    start = int(rng.integers(len(surface.points)))
    distance, before = dijkstra(surface.graph, directed=False, indices=start, return_predecessors=True)
    ends = np.flatnonzero(np.isfinite(distance) & (distance > 0))
    if len(ends) == 0:
        raise GeneratorError("the point that was drawn has no neighbours")
    path = [int(ends[rng.integers(len(ends))])]
    while path[-1] != start:
        path.append(int(before[path[-1]]))
    return np.array(path)


def _sign(sign: Sign, rng: np.random.Generator) -> float:
    drawn = drawn_sign(rng)
    return {"convex": 1.0, "concave": -1.0, "any": drawn}[sign]


def _moved(surface: Surface, members: np.ndarray, by: np.ndarray) -> Changed:
    offset = np.zeros(surface.points.shape)
    offset[members] = by
    return Changed(offset)
