"""Clouds in numpy's files: NPY of rows, NPZ of arrays by name."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from synth.errors import SourceError
from synth.io.columns import FIELD, LABEL, POINTS, Raw, from_columns, scaled_colors, unnamed
from synth.io.regular import MOST_BYTES
from synth.io.told import Told
from synth.sample import Cloud

PLACES = ("points", "xyz", "pcd", "pointcloud", "point_cloud", "cloud", "pc", "vertices", "coords", "pos")
"""Names of an array of points, as people give them."""
_BESIDE = {
    "normals": ("normals", "normal"),
    "colors": ("colors", "colours", "color", "rgb"),
    "labels": ("labels", "label"),
}


def read_npy(path: Path, asked: Sequence[str] = ()) -> Raw:
    """Rows (N, 3 or more), or a grid of them (H, W, 3 or more)."""
    return _from_rows(np.load(path, allow_pickle=False), asked)


def read_npz(path: Path, asked: Sequence[str] = ()) -> Raw:
    """The array of points by one of PLACES, or the only array that can be one, with normals, colours and, where they
    are asked for, labels beside it. SourceError, naming the arrays, where it is not clear which."""
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MOST_BYTES:
        raise ValueError(f"it unpacks to {size / 2**20:,.0f} MiB, read are at most {MOST_BYTES / 2**20:,.0f}")
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name.lower(): archive[name] for name in archive.files}
    if all(name in arrays for name in POINTS):
        return from_columns({name: values.ravel() for name, values in arrays.items()}, asked)
    name = _place(path, arrays)
    raw = _from_rows(arrays[name], [] if LABEL in asked else asked)
    return _with_beside(raw, arrays, asked) if name in PLACES else raw


def is_rows(path: Path) -> bool:
    """Whether a .npy holds rows of three numbers and more, by its header alone."""
    try:
        return _is_rows(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError):
        return False


def npz_bytes(cloud: Cloud) -> bytes:
    """The cloud's arrays under their own names, points in the frame of its source; the same cloud gives the same
    bytes."""
    arrays = {"points": cloud.placed, "normals": cloud.normals, "colors": cloud.colors, "labels": cloud.labels}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays.items():
            if values is not None:
                content = io.BytesIO()
                np.save(content, values)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return buffer.getvalue()


def _place(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    beside = {name for names in _BESIDE.values() for name in names}
    known = [name for name in PLACES if name in arrays and _is_rows(arrays[name])]
    other = [name for name, values in arrays.items() if name not in beside and _is_rows(values)]
    if len(known or other) == 1:
        return (known or other)[0]
    held = ", ".join(f"{name} {values.dtype} {values.shape}" for name, values in arrays.items())
    wrong = "several arrays that may be the points" if known or other else "no array of points (N, 3 or more)"
    raise SourceError(f"{path} holds {wrong}: {held}; save the points alone, under the name points")


def _is_rows(values: np.ndarray) -> bool:
    return values.dtype.kind in "fiu" and values.ndim in (2, 3) and values.shape[-1] >= 3


def _from_rows(values: np.ndarray, asked: Sequence[str]) -> Raw:
    if not _is_rows(values):
        raise ValueError(f"it holds {values.dtype} {values.shape}, wanted numbers (N, 3 or more)")
    rows = values.reshape(-1, values.shape[-1])
    if asked:
        if len(asked) != rows.shape[1]:
            raise ValueError(f"{FIELD} names {len(asked)} columns, its rows hold {rows.shape[1]}")
        return from_columns(dict(zip(asked, rows.T, strict=True)), asked)
    columns, told = unnamed(rows)
    return from_columns(columns).telling(*told)


def _with_beside(raw: Raw, arrays: Mapping[str, np.ndarray], asked: Sequence[str]) -> Raw:
    size = len(raw.points)
    found = {kind: next((arrays[name] for name in names if name in arrays), None) for kind, names in _BESIDE.items()}
    normals, colors, labels = found["normals"], found["colors"], found["labels"]
    if normals is not None and normals.size == 3 * size:
        raw = replace(raw, normals=normals.reshape(size, 3).astype(np.float64))
    if colors is not None and colors.size == 3 * size:
        raw = replace(raw, colors=scaled_colors(colors.reshape(size, 3))[0])
    if labels is not None and labels.size == size:
        if LABEL in asked:
            return replace(raw, labels=labels.ravel() > 0)
        return raw.telling(Told("labels", "has labels that are not read: good parts have none", FIELD))
    return raw
