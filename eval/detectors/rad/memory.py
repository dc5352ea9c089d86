"""A memory of good images that may be larger than the RAM: grown in a temporary file, then mapped from it.

The images lie one after the other, (N, L, C): an image can be appended, and the k images that a query needs are k whole
pieces of the file instead of the L * k single rows that a layout by place, (L, N, C), would ask for (benchmarks/rad.py
measures both).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from synth.io.atomic import is_full, refusal


class GrowingMemory:
    """Tensors (N, ...), appended image by image; the file goes when what `mapped` gave goes. What is appended does
    not stay in memory: small tensors kept between large ones would split the heap, which then grows like the file."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._file = tempfile.TemporaryFile()
        self._shape: tuple[int, ...] = (0,)

    def append(self, tokens: Tensor) -> None:
        """Take in a batch (B, ...). DiskFull where the folder of temporary files has no room."""
        written = tokens.to(self._dtype).contiguous().numpy()
        try:
            self._file.write(written.data)
            self._file.flush()
        except OSError as problem:
            needed = written.nbytes if is_full(problem) else None
            raise refusal(problem, Path(tempfile.gettempdir()) / "memory of rad", needed) from problem
        self._shape = (self._shape[0] + len(written), *written.shape[1:])

    def mapped(self) -> Tensor:
        """All of them (N, ...), read from the file as they are needed."""
        kind = np.float16 if self._dtype == torch.float16 else np.float32
        found = torch.from_numpy(np.memmap(self._file, kind, "r+", shape=self._shape))
        self._file.close()
        return found
