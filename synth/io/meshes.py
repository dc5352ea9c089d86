"""Points on meshes: STL, OBJ, OFF, GLB, GLTF and PLY with faces, sampled evenly over the faces.

Of a mesh its file alone is read: materials, textures and buffers that it names by path are not, and nothing is fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from scipy.spatial import cKDTree

from synth.errors import SourceError
from synth.io.columns import Raw
from synth.io.ply import read_vertices
from synth.io.regular import quiet
from synth.io.spread import turns
from synth.io.told import Told

UNITS = {".glb": "m", ".gltf": "m"}
"""What the specifications of formats prescribe."""


def sample_mesh(path: Path, count: int) -> Raw:
    """`count` points on the faces of a mesh with the faces' normals and the colours of its vertices or faces, or the
    vertices of a file without faces, in the file's unit. Raises SourceError for a mesh without area, and whatever
    trimesh raises for a broken file."""
    import trimesh

    suffix = path.suffix.lower()
    if suffix == ".off":
        _check_off(path)
    with path.open("rb") as file, quiet("trimesh"):
        loaded: Any = trimesh.load(
            file, file_type=suffix[1:], resolver=_nothing_else(), process=False, skip_materials=True
        )
    if isinstance(loaded, trimesh.Scene):
        loaded = loaded.to_mesh()
    unit = UNITS.get(suffix)
    if isinstance(loaded, trimesh.PointCloud):
        return Raw(np.asarray(loaded.vertices, np.float64), unit=unit)
    if len(loaded.faces) == 0 or not 0 < float(loaded.area) < np.inf:
        raise SourceError(f"{path} holds neither points nor faces with an area; export it again")
    mesh = trimesh.Trimesh(loaded.vertices, loaded.faces, process=True)
    trimesh.repair.fix_normals(mesh)
    points, faces = _sampled(mesh, count)
    colors, told = _vertex_colors(path, loaded)
    if colors is not None:
        colors = _between(mesh, faces, points, np.asarray(loaded.vertices), colors)
    elif (by_face := _face_colors(loaded)) is not None and len(by_face) == len(mesh.faces):
        colors = by_face[faces]
    normals = np.asarray(mesh.face_normals[faces], np.float64)
    return Raw(points, normals, colors, unit=unit, mesh=True, told=told)


def _vertex_colors(path: Path, loaded: Any) -> tuple[np.ndarray | None, tuple[Told, ...]]:
    """Colours (V, 3) uint8 of a mesh's vertices; of PLY by our own reader, which knows more of their names."""
    if path.suffix.lower() == ".ply":
        raw = read_vertices(path)
        return (raw.colors if len(loaded.vertices) == len(raw.points) else None), raw.told
    visual = loaded.visual
    if getattr(visual, "kind", None) == "vertex":
        return np.asarray(visual.vertex_colors, np.uint8)[:, :3], ()
    if getattr(visual, "uv", None) is not None:
        text = "has a texture that is not read: save its colours by vertex if they matter"
        return None, (Told("colours", text),)
    return None, ()


def _face_colors(loaded: Any) -> np.ndarray | None:
    if getattr(loaded.visual, "kind", None) != "face":
        return None
    return np.asarray(loaded.visual.face_colors, np.uint8)[:, :3]


def _between(mesh: Any, faces: np.ndarray, points: np.ndarray, vertices: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Colours (n, 3) at points (n, 3) on faces (n,), between those of the faces' corners; vertices (V, 3) have the
    colours, and may be fewer in the mesh, which joins those at one place."""
    import trimesh

    _, own = cKDTree(vertices).query(mesh.vertices)
    weights = trimesh.triangles.points_to_barycentric(mesh.triangles[faces], points)
    weights = np.clip(np.nan_to_num(weights, nan=1 / 3), 0, 1)
    weights /= weights.sum(1, keepdims=True)
    corners = colors[own[mesh.faces[faces]]].astype(np.float64)
    return np.rint((corners * weights[..., None]).sum(1)).astype(np.uint8)


def _check_off(path: Path) -> None:
    """ValueError where an OFF holds fewer vertices or faces than it says; trimesh leaves out what is missing."""
    _, _, body = path.read_text(encoding="utf-8", errors="replace").partition("OFF")
    lines = [words for line in body.splitlines() if (words := line.partition("#")[0].split())]
    vertices, faces = (int(word) for word in lines[0][:2])
    whole = [words for words in lines[1 + vertices :] if len(words) > int(words[0])]
    if len(whole) < faces:
        raise ValueError(f"it ends after {len(whole)} of {faces} faces")


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
    order, turn, _ = turns(points - points.min(0), cell)
    kept = order[np.argsort(turn, kind="stable")[:count]]
    return np.asarray(points)[kept], np.asarray(faces)[kept]
