"""Organised clouds as float TIFF, the way MVTec 3D-AD keeps them: (H, W, 3) float32, x y z in metres."""

from __future__ import annotations

import io
import math
import zlib
from pathlib import Path

import numpy as np
import tifffile

from synth.errors import SourceError
from synth.io.memory import MOST_PIXELS
from synth.io.regular import quiet, reason, regular_file

LEAST_RETURNS = 100
"""Pixels that have to have returned something: with fewer neither camera nor surface can be known."""
_FLOATING_POINT = 3
"""TIFF predictor that tifffile leaves to an optional library."""
_PLAIN, _DEFLATE = 1, (8, 32946)


def read_xyz(path: str | Path) -> np.ndarray:
    """float32 (H, W, 3) metres, (0, 0, 0) where nothing returned. Millimetres (a median depth of 50 to 5000) become
    metres. SourceError for another shape, for NaN, for too few returns and for depths that are neither."""
    values = read_tiff(path)
    if values.ndim != 3 or values.shape[-1] != 3 or values.dtype.kind not in "fiu":
        found = f"{values.dtype} {values.shape}"
        raise SourceError(f"{path} is {found}, wanted height x width x 3 coordinates; export those")
    with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused
        middle = checked_depth(path, xyz := values.astype(np.float32))
    if 50 <= middle <= 5000:
        return xyz / np.float32(1000)
    if not 0.05 <= middle <= 5:
        raise SourceError(f"{path}: a median depth of {middle:.4g} is neither metres nor millimetres; convert it")
    return xyz


def checked_depth(path: str | Path, xyz: np.ndarray) -> float:
    """The median of the depths of an organised cloud (H, W, 3). SourceError, naming its file, where it is not finite
    or holds too few points in front of the camera."""
    if not np.isfinite(xyz).all():
        raise SourceError(f"{path} holds NaN or infinite coordinates; write (0, 0, 0) where nothing returned")
    depth = xyz[..., 2][xyz[..., 2] > 0]
    if depth.size == 0:
        raise SourceError(f"{path} holds no point at all; scan it again or remove it")
    if depth.size < LEAST_RETURNS:
        raise SourceError(
            f"{path} holds {depth.size} points, wanted at least {LEAST_RETURNS}; scan it again or remove it"
        )
    return float(np.median(depth))


def read_tiff(path: str | Path) -> np.ndarray:
    """The values of a TIFF of one page, not compressed or deflated. Raises SourceError for any other file."""
    path = regular_file(path)
    try:
        return _decoded(path)
    except SourceError:
        raise
    except Exception as problem:  # a broken header makes tifffile fail in many ways; the file is what can be mended
        raise SourceError(f"{path} cannot be read as a TIFF ({reason(problem)}); copy it again") from problem


def xyz_bytes(xyz: np.ndarray) -> bytes:
    """The file of an organised cloud (H, W, 3) float32, not compressed: deflating would take most of the
    time that making and saving a pair takes. The same cloud gives the same bytes."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, xyz, photometric="rgb", metadata=None, software="")
    return buffer.getvalue()


def _decoded(path: Path) -> np.ndarray:
    with quiet("tifffile"), tifffile.TiffFile(path) as file:
        pages = file.series[0].pages
        page = pages[0]
        if len(pages) != 1 or not isinstance(page, tifffile.TiffPage):
            raise ValueError(f"it has {len(pages)} pages")
        if page.dtype is None or page.size > 3 * MOST_PIXELS:
            raise ValueError(f"it has {page.size:,} values of type {page.dtype}, read are at most {3 * MOST_PIXELS:,}")
        if page.compression == _PLAIN:
            if page.nbytes > path.stat().st_size:
                raise ValueError("it is cut short")
            return file.asarray()
        if page.compression not in _DEFLATE:
            raise ValueError(f"its compression is {page.compression}; save it deflated or without")
        strips = _inflated(file, page, math.prod(page.chunks) * page.dtype.itemsize)
        return _unpredicted(page, strips) if page.predictor == _FLOATING_POINT else file.asarray()


def _inflated(file: tifffile.TiffFile, page: tifffile.TiffPage, room: int) -> list[bytes]:
    """The content of each strip or tile, of which none may hold more than `room` bytes: a few kilobytes can inflate to
    gigabytes."""
    parts = []
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.filehandle.seek(offset)
        part = zlib.decompressobj().decompress(file.filehandle.read(count), room + 1)
        if len(part) > room:
            raise ValueError("a strip holds more than its rows")
        parts.append(part)
    return parts


def _unpredicted(page: tifffile.TiffPage, strips: list[bytes]) -> np.ndarray:
    """float32 values of a page whose strips are stored as differences of bytes."""
    if page.is_tiled or page.dtype != np.float32:
        raise ValueError("a float predictor is understood for deflated strips of float32 alone")
    channels = page.shape[-1]
    found = []
    for strip in strips:
        rows = np.frombuffer(strip, np.uint8).reshape(-1, page.shape[1] * 4, channels).cumsum(1, dtype=np.uint8)
        # Each row holds all most significant bytes, then all second ones, and so on.
        planes = rows.reshape(len(rows), 4, -1).transpose(0, 2, 1)
        found.append(np.ascontiguousarray(planes).view(">f4")[..., 0])
    return np.concatenate(found).reshape(page.shape).astype(np.float32)
