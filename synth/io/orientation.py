"""EXIF's orientation tag: how an image is turned from the way it is stored to upright."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TAG = 0x0112
"""Of the value in EXIF and TIFF: 1 = upright, 2 to 8 = turned or mirrored."""

_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, 3),
    7: lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
    8: lambda stored: np.rot90(stored),
}
_INVERSE = {6: 8, 8: 6}
"""Every other turn undoes itself."""
WORDS = {
    2: "mirrored",
    3: "turned by 180 degrees",
    4: "mirrored upside down",
    5: "mirrored and turned by 90 degrees",
    6: "turned by 90 degrees",
    7: "mirrored and turned by 90 degrees",
    8: "turned by 90 degrees",
}
"""What a tag says, as the end of "is ..."."""


def upright(stored: np.ndarray, tag: int) -> np.ndarray:
    """The pixels (H, W, ...) of a file with this tag as its author saw them."""
    return np.ascontiguousarray(_UPRIGHT[tag](stored)) if tag in _UPRIGHT else stored


def as_stored(turned: np.ndarray, tag: int) -> np.ndarray:
    """What `upright` made this of."""
    return upright(turned, _INVERSE.get(tag, tag))
