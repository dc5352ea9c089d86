"""Bit depths: integers of more than 8 bits, and floating point numbers from 0 to 1, as uint8."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synth.errors import SourceError

_ROWS = 256
"""Rows that are scaled at once."""


def as_eight_bits(values: np.ndarray, path: str | Path, white: int | None) -> tuple[np.ndarray, int]:
    """Values (H, W) or (H, W, C) of more than 8 bits as uint8, and what was white in them: `white`, `white_of` integers
    where that is None. Floating point numbers from 0 to 1 are scaled by 1, whatever `white` says. SourceError for
    others."""
    if values.dtype.kind != "f":
        white = white or white_of(values)
        return to_eight_bits(values, path, white), white
    low, high = float(values.min()), float(values.max())
    if np.isfinite(low) and np.isfinite(high) and 0 <= low and high <= 1:
        return np.round(values * 255).astype(np.uint8), white or 1
    if white is None or not (0 <= low and high <= 65535):
        raise SourceError(
            f"{path} holds floating point numbers from {low:g} to {high:g}, read are those from 0 to 1; export it with "
            "8 or 16 bits, or say what is white in source.white_level"
        )
    return np.round(np.minimum(values, white) * (255 / white)).astype(np.uint8), white


def to_eight_bits(values: np.ndarray, path: str | Path = "the array", white: int | None = None) -> np.ndarray:
    """Integers of up to 16 bits as uint8: `white`, by default `white_of(values)`, and all beyond it become 255."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high > 65535:
        raise SourceError(f"{path} holds values from {low} to {high}; export it with 8 or 16 bits")
    white = white or white_of(values)
    scaled = np.round(np.minimum(np.arange(high + 1), white) * (255 / white)).astype(np.uint8)
    found = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS):  # numpy makes eight bytes of every index
        found[start : start + _ROWS] = scaled[values[start : start + _ROWS]]
    return found


def white_of(values: np.ndarray) -> int:
    """The value of white that the brightest pixel suggests: 255, 4095 (a 12-bit camera) or 65535. Images of one
    camera may suggest different ones, which `synth.sources.agreement` refuses."""
    high = int(values.max(initial=0))
    return 255 if high <= 255 else 4095 if high <= 4095 else 65535
