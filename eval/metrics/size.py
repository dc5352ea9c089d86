"""Defect size as a share of the image, in four bins: a gain on large defects says nothing about small ones."""

from __future__ import annotations

import numpy as np

from synth.errors import EvalError

SIZE_BINS: dict[str, tuple[float, float]] = {
    "tiny": (0.0, 0.002),
    "small": (0.002, 0.01),
    "medium": (0.01, 0.05),
    "large": (0.05, 1.0),
}
"""Name -> (above, up to), the share of the image's pixels that are defect."""


def size_bin(mask: np.ndarray) -> str:
    """The bin of a bool mask (H, W), by all of its defect pixels. EvalError for an empty mask."""
    share = float(mask.mean())
    for name, (above, up_to) in SIZE_BINS.items():
        if above < share <= up_to:
            return name
    raise EvalError("the mask is empty: a good image has no defect size")
