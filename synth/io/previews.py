"""A point cloud as a small triangulated mesh, for viewers that draw no points."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from synth.io.spread import thinned
from synth.sample import Cloud

POINTS = 1200
"""Points that a preview shows at most; it takes 110 bytes for each."""
_DEFECT = np.array([215, 38, 30], np.float32)
_PLAIN = np.array([176, 180, 186], np.float32)
_OVERLAP = 0.85
"""Half the side of a point's square, as a share of the distance to the next point."""


def preview_glb(cloud: Cloud) -> bytes:
    """A binary glTF with a square on the surface for each of POINTS points, evenly spread, in the cloud's colours or
    shaded by its normals, red on the defect. The same cloud gives the same bytes."""
    import trimesh

    points = cloud.points
    chosen = np.sort(thinned(points, min(POINTS, len(points))))
    places = points[chosen].astype(np.float64)
    normals = _unit(places - points.mean(0) if cloud.normals is None else cloud.normals[chosen].astype(np.float64))
    across = _unit(np.cross(normals, np.eye(3)[np.abs(normals).argmin(1)]))
    along = np.cross(normals, across)
    half = _OVERLAP * _spacing(places)
    corners = [places + half * (a * across + b * along) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    first = 4 * np.arange(len(places))[:, None, None]
    # Both sides are drawn: a scan has no inside to hide.
    faces = first + np.array([[0, 1, 2], [0, 2, 3], [2, 1, 0], [3, 2, 0]])
    mesh = trimesh.Trimesh(
        np.stack(corners, 1).reshape(-1, 3),
        faces.reshape(-1, 3),
        vertex_colors=np.repeat(_colours(cloud, chosen, normals), 4, axis=0),
        process=False,
    )
    return bytes(mesh.export(file_type="glb"))


def _colours(cloud: Cloud, chosen: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """uint8 (n, 4), darker where the surface turns away from a lamp above."""
    base = np.tile(_PLAIN, (len(chosen), 1)) if cloud.colors is None else cloud.colors[chosen].astype(np.float32)
    if cloud.labels is not None:
        base[cloud.labels[chosen]] = _DEFECT
    light = 0.65 + 0.35 * np.abs(normals @ _unit(np.array([[0.3, 0.5, 0.8]]))[0])
    shaded = np.clip(base * light[:, None], 0, 255).astype(np.uint8)
    return np.column_stack([shaded, np.full(len(chosen), 255, np.uint8)])


def _spacing(places: np.ndarray) -> float:
    """Median distance to the next point, metres."""
    if len(places) < 2:
        return 1e-3
    return float(np.median(cKDTree(places).query(places, k=2)[0][:, 1]))


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 0, vectors / np.maximum(lengths, 1e-12), np.array([0.0, 0.0, 1.0]))
