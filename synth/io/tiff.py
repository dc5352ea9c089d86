"""Organised clouds as float TIFF, the way MVTec 3D-AD keeps them: (H, W, 3) float32, x y z in metres."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile

from synth.errors import SourceError

_FLOATING_POINT = 3
"""TIFF predictor that tifffile leaves to an optional library."""
_DEFLATE = (8, 32946)


def read_xyz(path: str | Path) -> np.ndarray:
    """float32 (H, W, 3) metres, (0, 0, 0) where nothing returned. Millimetres (a median depth of 50 to 5000) become
    metres. SourceError for another shape, for NaN, and for depths that are neither."""
    path = Path(path)
    try:
        values = _decoded(path)
    except (OSError, ValueError, LookupError, struct.error, zlib.error, tifffile.TiffFileError) as problem:
        raise SourceError(f"{path} cannot be read as a TIFF ({problem}); copy it again") from problem
    if values.ndim != 3 or values.shape[-1] != 3:
        raise SourceError(f"{path} is {values.shape}, wanted height x width x 3 coordinates")
    xyz = values.astype(np.float32)
    if not np.isfinite(xyz).all():
        raise SourceError(f"{path} holds NaN or infinite coordinates; write (0, 0, 0) where nothing returned")
    depth = xyz[..., 2][xyz[..., 2] != 0]
    if depth.size == 0:
        raise SourceError(f"{path} holds no point at all; scan it again or remove it")
    middle = float(np.median(depth))
    if 50 <= middle <= 5000:
        return xyz / np.float32(1000)
    if not 0.05 <= middle <= 5:
        raise SourceError(f"{path}: a median depth of {middle:.4g} is neither metres nor millimetres; convert it")
    return xyz


def xyz_bytes(xyz: np.ndarray) -> bytes:
    """The file of an organised cloud (H, W, 3) float32, not compressed: deflating would take most of the
    time that making and saving a pair takes. The same cloud gives the same bytes."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, xyz, photometric="rgb", metadata=None, software="")
    return buffer.getvalue()


def _decoded(path: Path) -> np.ndarray:
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if not isinstance(page, tifffile.TiffPage) or page.predictor != _FLOATING_POINT:
            return file.asarray()
        if page.compression not in _DEFLATE or page.is_tiled or page.dtype != np.float32:
            raise ValueError("a float predictor is understood for deflated strips of float32 alone")
        channels = page.shape[-1]
        strips = []
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.filehandle.seek(offset)
            rows = np.frombuffer(zlib.decompress(file.filehandle.read(count)), np.uint8)
            rows = rows.reshape(-1, page.shape[1] * 4, channels).cumsum(1, dtype=np.uint8)
            # Each row holds all most significant bytes, then all second ones, and so on.
            planes = rows.reshape(len(rows), 4, -1).transpose(0, 2, 1)
            strips.append(np.ascontiguousarray(planes).view(">f4")[..., 0])
        return np.concatenate(strips).reshape(page.shape).astype(np.float32)
