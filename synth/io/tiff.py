"""Organised clouds as float TIFF, the way MVTec 3D-AD keeps them: (H, W, 3) float32, x y z in metres."""

from __future__ import annotations

import io
import math
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

from synth.errors import SourceError
from synth.io.memory import MOST_PIXELS
from synth.io.regular import quiet, reason, regular_file

COORDINATES = 3
_FLOATING_POINT = 3
"""TIFF predictor that tifffile leaves to an optional library."""
_PLAIN, _DEFLATE = 1, (8, 32946)


def read_tiff(path: str | Path) -> np.ndarray:
    """The values of a TIFF, (H, W) or (H, W, channels): of one page, or of three that are x, y and z; strips or tiles,
    planes together or apart, not compressed, deflated, or in another way that OpenCV decodes, as LZW, where planes are
    together. Raises SourceError for any other file."""
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
        pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
        if len(pages) == COORDINATES and len({page.shape for page in pages}) == 1 and len(pages[0].shape) == 2:
            return np.stack([_page(file, page, path) for page in pages], -1)
        if len(pages) != 1:
            raise ValueError(f"it has {len(pages)} pages, read are one, or three for x, y and z")
        return _page(file, pages[0], path)


def _page(file: tifffile.TiffFile, page: tifffile.TiffPage, path: Path) -> np.ndarray:
    """The values (H, W) or (H, W, channels) of a page."""
    if page.dtype is None or page.size > COORDINATES * MOST_PIXELS:
        most = f"{COORDINATES * MOST_PIXELS:,}"
        raise ValueError(f"it has {page.size:,} values of type {page.dtype}, read are at most {most}")
    last = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
    if last > path.stat().st_size:
        raise ValueError("it is cut short")
    values = _values(file, page, path, page.dtype)
    return np.moveaxis(values, 0, -1) if values.ndim == 3 and page.axes.startswith("S") else values


def _values(file: tifffile.TiffFile, page: tifffile.TiffPage, path: Path, dtype: np.dtype[Any]) -> np.ndarray:
    if page.compression == _PLAIN:
        if page.nbytes > path.stat().st_size:
            raise ValueError("it is cut short")
        return page.asarray()
    together = page.samplesperpixel == 1 or page.planarconfig == tifffile.PLANARCONFIG.CONTIG
    if page.compression in _DEFLATE and (page.predictor != _FLOATING_POINT or (together and not page.is_tiled)):
        strips = _inflated(file, page, math.prod(page.chunks) * dtype.itemsize)
        if page.predictor != _FLOATING_POINT:
            return page.asarray()
        if dtype == np.float32:
            return _unpredicted(page, strips)
    # What tifffile leaves to an optional library, OpenCV decodes, but for planes apart.
    values = _by_opencv(path) if together and len(file.pages) == 1 else None
    if values is None or values.shape != page.shape or values.dtype != dtype.newbyteorder("="):
        name = getattr(page.compression, "name", page.compression)
        raise ValueError(f"its compression {name} is not understood for such values; save it deflated or without")
    return values


def _by_opencv(path: Path) -> np.ndarray | None:
    """The values of a TIFF of one page, None where OpenCV cannot decode it."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(0)
    try:
        values = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(before)
    if values is None or values.ndim == 2:
        return values
    return values[..., [2, 1, 0, *range(3, values.shape[2])]]  # OpenCV has the first channel third


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
    channels = page.samplesperpixel
    found = []
    for strip in strips:
        rows = np.frombuffer(strip, np.uint8).reshape(-1, page.shape[1] * 4, channels).cumsum(1, dtype=np.uint8)
        # Each row holds all most significant bytes, then all second ones, and so on.
        planes = rows.reshape(len(rows), 4, -1).transpose(0, 2, 1)
        found.append(np.ascontiguousarray(planes).view(">f4")[..., 0])
    return np.concatenate(found).reshape(page.shape).astype(np.float32)
