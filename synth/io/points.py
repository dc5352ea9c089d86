"""Point clouds from files: PLY, PCD, text, numpy's files, and meshes (`synth.io.meshes`). Metres inside. open3d is not
needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from synth.errors import SourceError
from synth.io.array_clouds import npz_bytes, read_npy, read_npz
from synth.io.clean import cleaned
from synth.io.columns import Raw
from synth.io.extent import Extent, extent
from synth.io.meshes import sample_mesh
from synth.io.normals import Normals
from synth.io.pcd import pcd_bytes, read_pcd
from synth.io.ply import has_faces, ply_bytes, read_vertices, stored_cloud
from synth.io.regular import reason, regular_file
from synth.io.spread import thinned
from synth.io.text_clouds import read_text
from synth.io.told import Told
from synth.io.units import METRES, Sized, Unit, check_size, guess_unit
from synth.sample import Cloud

__all__ = ["CLOUDS", "MESHES", "METRES", "Unit", "npz_bytes", "pcd_bytes", "ply_bytes", "read_cloud", "read_points"]

MESHES = (".stl", ".obj", ".off", ".glb", ".gltf", ".3mf")
TEXTS = (".xyz", ".txt", ".pts", ".asc", ".csv")
CLOUDS = (".ply", ".pcd", ".npz", ".npy", *TEXTS)
LEAST_POINTS = 100
"""Points below which a cloud shows no surface to draw a defect on."""
FAR = 100.0
"""Extents from (0, 0, 0) from which a cloud is moved there, so that float32 holds its places to 1e-5 of its size."""
FAR_METRES = 16.0
"""Metres from (0, 0, 0) from which a cloud is moved there in any case: float32 holds less to a micrometre."""
COARSE = 0.2
"""Step of 32-bit coordinates over the spacing of points, from which it is seen."""
LOOKED_AT = 50_000
"""Points that a file's size is measured by before it is read."""
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class CloudOptions:
    """What the recipe says of clouds. points: sampled of a mesh or kept of a cloud; unit: the file's, auto = by its
    size; columns: names to read, none = all known; normals: auto = checked and turned where they are wrong; viewpoint:
    where the sensor was, in the file's frame and unit; told_unit: how the unit was found, where it was not given."""

    points: int = 20_000
    unit: Unit = "auto"
    columns: tuple[str, ...] = ()
    normals: Normals = "auto"
    viewpoint: tuple[float, float, float] | None = None
    told_unit: Told | None = None


@dataclass(frozen=True, slots=True)
class CloudReading:
    """A cloud with what is known of its file. unit: the one it was read in; viewpoint: where the sensor was, in the
    cloud's frame, metres; found: points in the file; dropped: points by reason; size: without stray points."""

    cloud: Cloud
    unit: str
    size: Extent
    found: int
    mesh: bool = False
    viewpoint: np.ndarray | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    told: tuple[Told, ...] = ()


def read_points(path: str | Path, count: int = 20_000, unit: Unit = "auto", columns: Sequence[str] = ()) -> Cloud:
    """The cloud in a file, or `count` points of the mesh in it; a cloud of more points is thinned to `count` that lie
    evenly. `unit` is the file's; auto is its format's, or guessed by its size. Points that are none are left out.
    SourceError where a file is unreadable or empty, or where its unit makes no sense."""
    return read_cloud(path, CloudOptions(count, unit, tuple(columns))).cloud


def read_cloud(path: str | Path, options: CloudOptions) -> CloudReading:
    """`read_points` with what is known of the file; normals as they are in it."""
    path = Path(path)
    raw = parsed(path, options.points, options.columns)
    found = len(raw.points)
    raw, dropped = cleaned(raw)
    if len(raw.points) == 0:
        counted = ", ".join(f"{number:,} {reason}" for reason, number in dropped.items())
        raise SourceError(f"{path} holds no point: {counted}; scan or export it again")
    if len(raw.points) > options.points:
        raw = raw.only(thinned(raw.points, options.points))
    size = extent(raw.points)
    known = raw.unit if options.unit == "auto" and raw.unit else options.unit
    unit = guess_unit(size.largest) if known == "auto" else known
    metres = METRES[unit]
    check_size(path, size.largest * metres, unit, known != "auto" and options.told_unit is None)
    points, origin = _placed(raw.points, size, metres)
    normals = None if raw.normals is None else raw.normals.astype(np.float32)
    viewpoint = raw.viewpoint if options.viewpoint is None else np.array(options.viewpoint)
    return CloudReading(
        Cloud(points, normals, raw.colors, raw.labels, origin),
        unit,
        Extent(size.low * metres - origin, size.high * metres - origin, size.stray),
        found,
        raw.mesh,
        None if viewpoint is None else viewpoint * metres - origin,
        dropped,
        (*raw.told, *_told(raw, size, unit, options), *_told_place(raw.points, size, origin)),
    )


def parsed(path: Path, count: int, columns: Sequence[str] = ()) -> Raw:
    """A file as it is: all points of a cloud, `count` of a mesh. SourceError, with its name, however reading fails."""
    return _safely(path, lambda file: _parse(file, count, columns))


def read_ply(path: str | Path) -> Cloud:
    """A cloud that `ply_bytes` wrote. SourceError where it cannot be read."""
    return _safely(Path(path), stored_cloud)


def sized(path: Path) -> Sized:
    """How large a file's cloud is, in its own unit; remembered while the file stays as it is. SourceError where it
    cannot be read."""
    status = regular_file(path).stat()
    return _sized(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=10_000)
def _sized(path: Path, _changed: int, _bytes: int) -> Sized:
    raw = parsed(path, 2000)
    points = raw.points[:: -(-len(raw.points) // LOOKED_AT)]
    points = points[np.isfinite(points).all(1) & (points != 0).any(1)]
    return Sized(path, extent(points).largest if len(points) else 0.0, raw.mesh)


def is_mesh(path: Path) -> bool:
    """Whether a file's points have to be sampled on faces."""
    suffix = path.suffix.lower()
    return suffix in MESHES or (suffix == ".ply" and has_faces(path))


def _parse(path: Path, count: int, columns: Sequence[str]) -> Raw:
    if is_mesh(path):
        return sample_mesh(path, count)
    readers: dict[str, Any] = {".ply": read_vertices, ".pcd": read_pcd, ".npz": read_npz, ".npy": read_npy}
    raw: Raw = readers.get(path.suffix.lower(), read_text)(path, columns)
    return raw


def _safely(path: Path, parse: Callable[[Path], Parsed]) -> Parsed:
    """What `parse` reads from a regular file; SourceError, with its name, however it fails."""
    try:
        return parse(regular_file(path))
    except SourceError:
        raise
    except Exception as problem:  # every parser fails in its own ways; the file is what the user can mend
        raise SourceError(f"{path} cannot be read as points ({reason(problem)}); export it as PLY") from problem


def _placed(points: np.ndarray, size: Extent, metres: float) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Points (N, 3) float32 metres, and the origin in metres that they were moved by: (0, 0, 0) where float32 holds
    them as they are."""
    centre = (size.low + size.high) / 2 * metres
    away = float(np.abs(centre).max())
    if away <= min(FAR * size.largest * metres, FAR_METRES):
        return points.astype(np.float32) * np.float32(metres), (0.0, 0.0, 0.0)
    x, y, z = (float(round(value, 3)) for value in centre)
    return (points * metres - (x, y, z)).astype(np.float32), (x, y, z)


def _told_place(points: np.ndarray, size: Extent, origin: tuple[float, float, float]) -> list[Told]:
    if not any(origin):
        return []
    place = ", ".join(f"{value:.12g}" for value in origin)
    told = [Told("origin", f"lies far from its (0, 0, 0): worked on about ({place}) m, written in its own frame")]
    step = float(np.spacing(np.abs(points).max().astype(np.float32)))
    spacing = size.largest / np.sqrt(len(points))
    if step > COARSE * spacing and (points == points.astype(np.float32)).all():
        text = f"has 32-bit coordinates in steps of {step:.2g}, as coarse as its points; export it with 64 bits"
        told.append(Told("coordinates", text, warning=True))
    return told


def _told(raw: Raw, size: Extent, unit: str, options: CloudOptions) -> list[Told]:
    told = []
    if options.told_unit is not None:
        told.append(options.told_unit)
    elif options.unit == "auto":
        why = "as its format prescribes" if raw.unit else f"guessed by its extent of {size.largest:.3g}"
        told.append(Told("unit", f"is read in {unit}, {why}", "source.unit"))
    if size.stray:
        text = f"has {size.stray} stray points far from the rest, which do not count for its size"
        told.append(Told("stray points", text, warning=True))
    return told
