"""Point clouds from and to files: PLY, PCD, XYZ/TXT, NPZ, and meshes (`synth.io.meshes`). Metres inside. open3d is not
needed."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

import numpy as np

from synth.errors import SourceError
from synth.io.meshes import sample_mesh
from synth.io.regular import MOST_BYTES, reason, regular_file
from synth.sample import Cloud

MESHES = (".stl", ".obj", ".off", ".glb")
CLOUDS = (".ply", ".pcd", ".xyz", ".txt", ".npz")
Unit = Literal["auto", "m", "cm", "mm", "inch"]
METRES: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
SIZES = (1e-3, 20.0)
"""Metres across between which a part is one; outside, its unit was taken for another."""
LEAST_POINTS = 100
"""Points below which a cloud shows no surface to draw a defect on."""
_PLY_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_LONGEST_LINE, _MOST_LINES = 4096, 1000
"""Bytes of a line, and lines, of a header at most."""
_PLY_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}


def read_points(path: str | Path, count: int = 20_000, unit: Unit = "auto") -> Cloud:
    """The cloud in a file, or `count` points of the mesh in it; a cloud of more points is thinned to `count` at even
    steps. `unit` is the file's; auto guesses it (`guess_unit`). Points with NaN, as scanners write them for no return,
    are left out. SourceError where a file is unreadable or empty, or where its unit makes no sense."""
    path = Path(path)
    cloud = _parsed(path, lambda file: _parse(file, count))
    finite = np.isfinite(cloud.points).all(1)
    if finite.sum() == 0:
        raise SourceError(f"{path} holds no finite point; scan or export it again")
    keep = np.flatnonzero(finite)
    keep = keep[np.linspace(0, len(keep) - 1, count).astype(int)] if len(keep) > count else keep
    cloud = Cloud(*(None if part is None else part[keep] for part in _parts(cloud)))  # type: ignore[arg-type]
    # Some scanners' programs write normals of NaN where they found none: then none are known.
    normals = cloud.normals if cloud.normals is not None and np.isfinite(cloud.normals).all() else None
    known = guess_unit(cloud.points) if unit == "auto" else unit
    points = cloud.points * np.float32(METRES[known])
    extent = float(np.ptp(points, axis=0).max())
    if extent and not SIZES[0] <= extent <= SIZES[1]:
        raise SourceError(f"{path} would be {extent:.3g} m across in {known}; set source.unit to the file's own unit")
    return Cloud(points, normals, cloud.colors, cloud.labels)


def _parse(path: Path, count: int) -> Cloud:
    suffix = path.suffix.lower()
    if suffix in MESHES or (suffix == ".ply" and _has_faces(path)):
        return sample_mesh(path, count)
    return {".ply": _read_ply, ".pcd": _read_pcd, ".npz": _read_npz}.get(suffix, _read_text)(path)


def _parsed(path: Path, parse: Callable[[Path], Cloud]) -> Cloud:
    """What `parse` reads from a regular file; SourceError, with its name, however it fails."""
    try:
        return parse(regular_file(path))
    except SourceError:
        raise
    except Exception as problem:  # every parser fails in its own ways; the file is what the user can mend
        raise SourceError(f"{path} cannot be read as points ({reason(problem)}); export it as PLY") from problem


def guess_unit(points: np.ndarray) -> str:
    """The unit in which a hand-held part has a sensible size: mm from 20 on, metres up to 0.5, inches between."""
    extent = float(np.ptp(points, axis=0).max())
    return "mm" if extent >= 20 else "m" if extent <= 0.5 else "inch"


def ply_bytes(cloud: Cloud) -> bytes:
    """A binary little-endian PLY: x y z, nx ny nz and red green blue where known, label 0 or 1 where known."""
    fields: list[tuple[str, str, np.ndarray]] = [(n, "<f4", cloud.points[:, k]) for k, n in enumerate("xyz")]
    if cloud.normals is not None:
        fields += [(f"n{n}", "<f4", cloud.normals[:, k]) for k, n in enumerate("xyz")]
    if cloud.colors is not None:
        fields += [(n, "u1", cloud.colors[:, k]) for k, n in enumerate(("red", "green", "blue"))]
    if cloud.labels is not None:
        fields.append(("label", "u1", cloud.labels.astype(np.uint8)))
    names = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(cloud.points)}"]
    header += [f"property {names[kind]} {name}" for name, kind, _ in fields] + ["end_header", ""]
    rows = np.empty(len(cloud.points), [(name, kind) for name, kind, _ in fields])
    for name, _, values in fields:
        rows[name] = values
    return "\n".join(header).encode() + rows.tobytes()


def read_ply(path: str | Path) -> Cloud:
    """The vertices of a PLY, text or binary, that come first in it: points and what else is known of each. SourceError
    where it cannot be read."""
    return _parsed(Path(path), _read_ply)


def _read_ply(path: Path) -> Cloud:
    with path.open("rb") as file:
        lines = _ply_header(file)
        order = next(line[1] for line in lines if line[0] == "format")
        elements = [k for k, line in enumerate(lines) if line[0] == "element"] + [len(lines)]
        first = lines[elements[0]]
        if first[1] != "vertex":
            raise SourceError(f"{path} begins with {first[1]}, wanted its vertices first; export it again")
        fields = [(line[-1], _PLY_TYPES[line[1]]) for line in lines[elements[0] + 1 : elements[1]]]
        count = int(first[2])
        if order == "ascii":
            rows = _rows(file, count)
            return _from_columns({name: rows[:, k] for k, (name, _) in enumerate(fields)})
        values = _records(file, np.dtype([(name, _PLY_ORDERS[order] + kind) for name, kind in fields]), count)
        return _from_columns({name: values[name] for name, _ in fields})


def _ply_header(file: IO[bytes]) -> list[list[str]]:
    """The words of each line of a PLY's header; the file is left where its body begins."""
    lines: list[list[str]] = []
    for _ in range(_MOST_LINES):
        words = file.readline(_LONGEST_LINE).decode("ascii", "replace").split()
        if words == ["end_header"]:
            return lines
        if words and words[0] in ("format", "element", "property"):
            lines.append(words)
    raise ValueError("its PLY header has no end_header")


def _has_faces(path: Path) -> bool:
    with path.open("rb") as file:
        return any(words[0] == "element" and words[1] != "vertex" and int(words[2]) for words in _ply_header(file))


def pcd_bytes(cloud: Cloud) -> bytes:
    """A binary PCD 0.7 of the points alone."""
    size = len(cloud.points)
    header = (
        "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
        f"WIDTH {size}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {size}\nDATA binary\n"
    )
    return header.encode() + cloud.points.astype("<f4").tobytes()


def npz_bytes(cloud: Cloud) -> bytes:
    """The cloud's arrays under their own names; the same cloud gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in zip(("points", "normals", "colors", "labels"), _parts(cloud), strict=True):
            if values is not None:
                content = io.BytesIO()
                np.save(content, values)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return buffer.getvalue()


def _parts(cloud: Cloud) -> tuple[np.ndarray | None, ...]:
    return cloud.points, cloud.normals, cloud.colors, cloud.labels


def _read_text(path: Path) -> Cloud:
    """x y z, x y z label, x y z r g b or x y z nx ny nz in rows, separated by blanks or commas."""
    with path.open("rb") as file:
        comma = b"," in file.readline(_LONGEST_LINE)
        file.seek(0)
        rows = _rows(file, delimiter="," if comma else None)
    points = rows[:, :3].astype(np.float32)
    if rows.shape[1] == 4:
        if np.isnan(rows[:, 3]).any():
            raise ValueError("a label is no number")
        return Cloud(points, labels=rows[:, 3] > 0.5)
    if rows.shape[1] >= 6 and rows[:, 3:6].max() > 1.01:
        return Cloud(points, colors=np.clip(rows[:, 3:6], 0, 255).astype(np.uint8))
    return Cloud(points, normals=rows[:, 3:6].astype(np.float32)) if rows.shape[1] >= 6 else Cloud(points)


def _read_npz(path: Path) -> Cloud:
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MOST_BYTES:
        raise ValueError(f"it unpacks to {size / 2**20:,.0f} MiB, read are at most {MOST_BYTES / 2**20:,.0f}")
    with np.load(path) as arrays:
        return _from_columns(dict(arrays)) if "points" not in arrays else Cloud(**{k: arrays[k] for k in arrays.files})


def _read_pcd(path: Path) -> Cloud:
    words: dict[str, list[str]] = {}
    with path.open("rb") as file:
        for _ in range(_MOST_LINES):
            key, *rest = file.readline(_LONGEST_LINE).decode("ascii", "replace").split() or [""]
            words[key] = rest
            if key == "DATA":
                break
        if "DATA" not in words:
            raise ValueError("its PCD header has no DATA")
        kind, count = words["DATA"][0], int(words["POINTS"][0])
        if kind not in ("ascii", "binary"):
            raise SourceError(f"{path} is a compressed PCD; save it as binary or ascii PCD, or as PLY")
        # Padding fields all have the name "_".
        names = [f"_{k}" if name == "_" else name for k, name in enumerate(words["FIELDS"])]
        repeats = [int(n) for n in words.get("COUNT", ["1"] * len(names))]
        types = [f"<{kind.lower()}{size}" for kind, size in zip(words["TYPE"], words["SIZE"], strict=True)]
        if kind == "ascii":
            rows = _rows(file, count)
            places = np.cumsum([0, *repeats])
            return _from_columns({n: rows[:, k].astype(t) for n, k, t in zip(names, places, types, strict=False)})
        columns = zip(names, types, repeats, strict=True)
        values = _records(file, np.dtype([(name, form, (n,)[: n > 1]) for name, form, n in columns]), count)
        return _from_columns({name: values[name] for name in names})


def _rows(file: IO[bytes], count: int | None = None, delimiter: str | None = None) -> np.ndarray:
    """The numbers in the lines that are left, or in the next `count`: float64 (N, columns). ValueError for fewer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data")
        rows = np.loadtxt(file, ndmin=2, max_rows=count, delimiter=delimiter)
    if rows.size == 0 or len(rows) < (count or 0):
        raise ValueError(f"it holds {len(rows) if rows.size else 0} rows of numbers, wanted {count or 'some'}")
    return rows


def _records(file: IO[bytes], fields: np.dtype, count: int) -> np.ndarray:
    """`count` binary records from where the file is. ValueError where it is too short for them."""
    left = Path(file.name).stat().st_size - file.tell()
    if not 0 < count * fields.itemsize <= left:
        raise ValueError(f"it ends after {left:,} of {count * fields.itemsize:,} bytes")
    return np.frombuffer(file.read(count * fields.itemsize), fields, count)


def _from_columns(columns: dict[str, np.ndarray]) -> Cloud:
    def together(names: tuple[str, ...], dtype: type) -> np.ndarray | None:
        return np.stack([columns[n] for n in names], 1).astype(dtype) if all(n in columns for n in names) else None

    points = together(("x", "y", "z"), np.float32)
    if points is None:
        raise ValueError(f"wanted x, y and z, found {', '.join(columns)}")
    label = columns.get("label")
    normals = together(("nx", "ny", "nz"), np.float32)
    colors = together(("red", "green", "blue"), np.uint8)
    if "rgb" in columns:  # PCD packs the three into the bits of one number
        packed = columns["rgb"].astype("<f4" if columns["rgb"].dtype.kind == "f" else "<u4").view("<u4")
        colors = np.stack([(packed >> shift & 255).astype(np.uint8) for shift in (16, 8, 0)], 1)
    return Cloud(
        points,
        normals if normals is not None else together(("normal_x", "normal_y", "normal_z"), np.float32),
        colors,
        None if label is None else label > 0,
    )
