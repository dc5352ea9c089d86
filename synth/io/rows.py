"""Rows of numbers in text and records in binary, as every cloud format has them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

LONGEST_LINE, MOST_LINES = 4096, 1000
"""Bytes of a line, and lines, of a header at most."""


def numbers(
    file: IO[bytes], count: int | None = None, delimiter: str | None = None, columns: Sequence[int] | None = None
) -> np.ndarray:
    """The numbers in the lines that are left, or in the next `count`: float64 (N, columns). ValueError for fewer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data")
        rows = np.loadtxt(file, ndmin=2, max_rows=count, delimiter=delimiter, usecols=columns)
    if rows.size == 0 or len(rows) < (count or 0):
        raise ValueError(f"it holds {len(rows) if rows.size else 0} rows of numbers, wanted {count or 'some'}")
    return rows


def records(file: IO[bytes], fields: np.dtype, count: int) -> np.ndarray:
    """`count` binary records from where the file is. ValueError where it is too short for them."""
    left = Path(file.name).stat().st_size - file.tell()
    if not 0 < count * fields.itemsize <= left:
        raise ValueError(f"it ends after {left:,} of {count * fields.itemsize:,} bytes")
    return np.frombuffer(file.read(count * fields.itemsize), fields, count)
