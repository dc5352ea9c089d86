"""An unorganised cloud made ready: outward normals, spacing, search tree and neighbour graph, worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from synth.dual.arrays import norm, unit
from synth.dual.frame import tangent_frame
from synth.dual.numbers import Place
from synth.errors import SampleError
from synth.io.extent import extent
from synth.io.outward import oriented
from synth.io.points import LEAST_POINTS
from synth.sample import Cloud

MOST_POINTS = 2_000_000
"""Points worked on at most; a larger cloud has to be thinned first, since every step holds some of them."""
NEIGHBOURS = 24
LINKS = 8


@dataclass(frozen=True, eq=False)
class Surface:
    """points (N, 3) float64 metres, normals (N, 3) unit and outward, `spacing` metres to the nearest neighbour in the
    median, `diagonal` metres of the bounding box without stray points."""

    points: np.ndarray
    normals: np.ndarray
    spacing: float
    diagonal: float
    tree: cKDTree

    @cached_property
    def single_normals(self) -> np.ndarray:
        """The normals (N, 3) in float32, as clouds have them."""
        return self.normals.astype(np.float32)

    @cached_property
    def bend(self) -> np.ndarray:
        """How much the surface turns around each point, (N,): 1 - |mean normal of the NEIGHBOURS nearest|."""
        _, near = self.tree.query(self.points, min(NEIGHBOURS, len(self.points)), workers=-1)
        return 1 - norm(self.normals[near].mean(1))

    def positions(self, place: Place) -> np.ndarray:
        """Indices of the points that a rule of placing allows: the more curved half of them, the flatter half, or all
        ("edge" and "mask" need more than the surface)."""
        if place not in ("curved", "flat"):
            return np.arange(len(self.points))
        limit = np.median(self.bend)
        chosen = np.flatnonzero(self.bend > limit if place == "curved" else self.bend <= limit)
        return chosen if len(chosen) else np.arange(len(self.points))

    @cached_property
    def graph(self) -> csr_matrix:
        """Distances between LINKS nearest neighbours that do not face away from each other; (N, N) sparse."""
        apart, near = self.tree.query(self.points, LINKS + 1, workers=-1)
        rows = np.repeat(np.arange(len(near)), LINKS)
        columns, weight = near[:, 1:].ravel(), apart[:, 1:].ravel()
        # Across a thin wall the nearest neighbour may be the other side.
        same = np.einsum("ij,ij->i", self.normals[rows], self.normals[columns]) > -0.2
        size = len(self.points)
        return csr_matrix((weight[same], (rows[same], columns[same])), (size, size))

    def around(self, seed: int, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Points within `reach` metres of a seed point along the surface, and places q (n, 2) metres in its tangent
        plane: geodesic distance times direction of the projection (log map).

        The distance is the straight one where all points near face as the seed does, else along the graph, so that the
        other side of a thin wall stays out."""
        centre, normal = self.points[seed], self.normals[seed]
        ball = np.asarray(self.tree.query_ball_point(centre, reach))
        away = self.points[ball] - centre
        distance = norm(away)
        if (self.normals[ball] @ normal).min() < 0.5:
            local = {int(point): k for k, point in enumerate(ball)}
            part = self.graph[ball][:, ball]
            distance = dijkstra(part, directed=False, indices=local[seed], limit=1.3 * reach)
            kept = np.isfinite(distance) & (distance <= reach)
            ball, away, distance = ball[kept], away[kept], distance[kept]
        frame = np.stack(tangent_frame(normal))
        flat = away @ frame.T
        length = norm(flat)
        return ball, flat * (distance / np.where(length > 0, length, 1))[:, None]

    def directions(self, members: np.ndarray, radius: float) -> np.ndarray:
        """Displacement directions (n, 3): normals of the points averaged over `radius`, so that a bump does not tear
        along an edge; only normals of the same side count."""
        k = int(np.clip((radius / self.spacing) ** 2 * 3, 1, 32))
        _, near = self.tree.query(self.points[members], k)
        around = self.normals[near.reshape(len(members), k)]
        same = np.einsum("ikj,ij->ik", around, self.normals[members]) > 0.2
        return unit(np.einsum("ikj,ik->ij", around, same.astype(np.float64)))


def prepare_surface(name: str, cloud: Cloud) -> Surface:
    """Check and measure a cloud. Takes its normals where it has them, else fits and orients them. SampleError for NaN,
    too few or too many points, points that all coincide, and sizes that cannot be metres."""
    points = cloud.points.astype(np.float64)
    if not np.isfinite(points).all():
        count = int((~np.isfinite(points)).any(1).sum())
        raise SampleError(f"{name}: {count} of {len(points)} points are NaN or infinite; remove them")
    if len(points) < LEAST_POINTS:
        raise SampleError(f"{name} has {len(points)} points, wanted at least {LEAST_POINTS}; scan or sample it denser")
    if len(points) > MOST_POINTS:
        raise SampleError(
            f"{name} has {len(points):,} points, more than {MOST_POINTS:,}; thin it first (source.points does so)"
        )
    diagonal = extent(points).diagonal
    if diagonal == 0:
        raise SampleError(f"{name}: all its points are one; check the file")
    if diagonal > 50:
        raise SampleError(f"{name} is {diagonal:.4g} m across; is it in millimetres? Set source.unit")
    tree = cKDTree(points)
    some = points[:: max(1, len(points) // 20_000)]
    spacing = float(np.median(tree.query(some, 2, workers=-1)[0][:, 1]))
    if spacing == 0:
        raise SampleError(f"{name}: most of its points occur twice; remove the duplicates")
    if cloud.normals is not None:
        normals = cloud.normals.astype(np.float64)
        length = np.linalg.norm(normals, axis=1)
        if (length > 0).all():
            return Surface(points, normals / length[:, None], spacing, diagonal, tree)
    return Surface(points, oriented(points, tree).normals, spacing, diagonal, tree)
