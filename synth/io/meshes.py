"""Points on meshes: STL, OBJ, OFF, GLB and PLY with faces, sampled evenly over the faces.

Of a mesh its file alone is read: materials, textures and buffers that it names by path are not, and nothing is fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from synth.errors import SourceError
from synth.sample import Cloud


def sample_mesh(path: Path, count: int) -> Cloud:
    """`count` points on the faces of a mesh with the faces' normals, or the vertices of a file without faces, in the
    file's unit. Raises SourceError for a mesh without area, and whatever trimesh raises for a broken file."""
    import trimesh

    with path.open("rb") as file:
        loaded: Any = trimesh.load(
            file, file_type=path.suffix[1:].lower(), resolver=_nothing_else(), process=False, skip_materials=True
        )
    if isinstance(loaded, trimesh.Scene):
        loaded = loaded.to_mesh()
    if isinstance(loaded, trimesh.PointCloud):
        return Cloud(np.asarray(loaded.vertices, np.float32))
    if len(loaded.faces) == 0 or not 0 < float(loaded.area) < np.inf:
        raise SourceError(f"{path} holds neither points nor faces with an area; export it again")
    mesh = trimesh.Trimesh(loaded.vertices, loaded.faces, process=True)
    trimesh.repair.fix_normals(mesh)
    points, faces = _sampled(mesh, count)
    return Cloud(points.astype(np.float32), mesh.face_normals[faces].astype(np.float32))


def _nothing_else() -> Any:
    """A resolver of trimesh that refuses every name."""
    from trimesh.resolvers import Resolver

    class NothingElse(Resolver):
        def __init__(self) -> None:
            pass

        def get(self, key: str) -> NoReturn:
            raise ValueError(f"it names {key}; export it as one file that holds everything")

        def write(self, name: str, data: bytes) -> NoReturn:
            raise NotImplementedError

        def namespaced(self, namespace: str) -> Resolver:
            return self

        def keys(self) -> tuple[str, ...]:
            return ()

    return NothingElse()


def _sampled(mesh: object, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (count, 3) spread evenly over a mesh, and their faces: four times as many at random, thinned in the order
    in which each lies furthest from those before it within its own cell of a grid."""
    import trimesh

    points, faces = trimesh.sample.sample_surface(mesh, 4 * count, seed=0)
    cell = float(np.sqrt(mesh.area / count))  # type: ignore[attr-defined]
    places = np.floor((points - points.min(0)) / cell)
    off_centre = ((points - points.min(0)) / cell - places - 0.5) ** 2
    order = np.argsort(off_centre.sum(1), kind="stable")
    _, first, rank = np.unique(places[order], axis=0, return_index=True, return_inverse=True)
    place_in_cell = np.empty(len(order), int)
    by_cell = np.argsort(rank.ravel(), kind="stable")
    starts = np.searchsorted(rank.ravel()[by_cell], np.arange(len(first)))
    place_in_cell[by_cell] = np.arange(len(order)) - starts[rank.ravel()[by_cell]]
    kept = order[np.argsort(place_in_cell, kind="stable")[:count]]
    return np.asarray(points)[kept], np.asarray(faces)[kept]
