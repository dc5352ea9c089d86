"""Numbers in the grid of an image, as scanners' software saves them: three coordinates a pixel, or one depth."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from synth.errors import SourceError
from synth.io.decoding import decode
from synth.io.memory import MOST_PIXELS
from synth.io.regular import reason, regular_file
from synth.io.tiff import COORDINATES, read_tiff

SUFFIXES = (".tif", ".tiff", ".npy", ".npz", ".png")
"""File names that are taken for grids, in lower case."""
KEYS = ("xyz", "points", "pointcloud", "point_cloud", "cloud", "depth", "z")
"""Names under which an .npz may keep its grid beside other arrays."""
MOST_BYTES = 8 * COORDINATES * MOST_PIXELS


def read_grid(path: Path) -> np.ndarray:
    """The numbers in a file, as they are: (H, W, 3) coordinates, or (H, W) depths or heights. Three planes one after
    the other, (3, H, W), are turned. SourceError for a file that is broken, too large or of another shape."""
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        values = read_tiff(path)
    else:
        values = {".npy": _npy, ".npz": _npz}.get(suffix, _png)(regular_file(path))
    return _checked(path, values)


def _checked(path: Path, values: np.ndarray) -> np.ndarray:
    if values.ndim == COORDINATES and len(values) == COORDINATES != values.shape[2]:
        values = np.moveaxis(values, 0, -1)
    if values.ndim == COORDINATES and values.shape[2] == 1:
        values = values[..., 0]
    grid = values.ndim == 2 or (values.ndim == COORDINATES and values.shape[2] == COORDINATES)
    if not grid or values.size == 0 or values.dtype.kind not in "fiu":
        found = f"{values.dtype} {values.shape}"
        raise SourceError(f"{path} is {found}, wanted height x width x 3 coordinates, or a depth a pixel; export those")
    if values.size > COORDINATES * MOST_PIXELS:
        raise SourceError(f"{path} has {values.shape[0]} x {values.shape[1]} pixels; read are {MOST_PIXELS:,}; cut it")
    return values


def _npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as problem:
        raise SourceError(f"{path} cannot be read as .npy ({reason(problem)}); export it again") from problem


def _npz(path: Path) -> np.ndarray:
    """The only array of the archive, or the one under a name of KEYS."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        names = list(sizes) if len(sizes) == 1 else [name for name in KEYS if name in sizes]
        if not names:
            wanted = ", ".join(KEYS)
            raise SourceError(f"{path} holds {', '.join(sorted(sizes))}; name its grid one of {wanted}")
        if sizes[names[0]] > MOST_BYTES:
            raise SourceError(f"{path} holds {sizes[names[0]]:,} bytes as {names[0]}; read are {MOST_BYTES:,}; cut it")
        with np.load(path, allow_pickle=False) as arrays:
            return np.asarray(arrays[names[0]])
    except (OSError, ValueError, EOFError, SyntaxError, KeyError, zipfile.BadZipFile) as problem:
        raise SourceError(f"{path} cannot be read as .npz ({reason(problem)}); export it again") from problem


def _png(path: Path) -> np.ndarray:
    """A depth image: one channel of 16 bits (8 hold no depths)."""
    values = np.asarray(decode(path).pixels)
    if values.ndim != 2 or values.dtype.kind not in "iu" or values.dtype.itemsize == 1:
        found = f"{values.dtype} {values.shape}"
        raise SourceError(f"{path} is an image of {found}, wanted one channel of 16 bits; export depths so")
    return values
