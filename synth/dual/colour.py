"""Visible difference of two images: CIE Lab and Delta E 1976, for linear light with sRGB primaries, white D65."""

from __future__ import annotations

import numpy as np

from synth.dual.arrays import Array, like, namespace, norm, within

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])
_TO_WHITE = (_TO_XYZ / _WHITE[:, None]).T
_STEP = (6 / 29) ** 3


def lab(linear: Array) -> Array:
    """L, a, b (..., 3) of linear RGB (..., 3) in [0, 1]."""
    xp = namespace(linear)
    x = within(linear, 0, 1) @ like(_TO_WHITE, linear)
    f = xp.where(x > _STEP, within(x, _STEP) ** (1 / 3), x * (1 / (3 * (6 / 29) ** 2)) + 4 / 29)
    return xp.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def delta_e(first: Array, second: Array) -> Array:
    """Delta E of two linear images (..., 3): the distance in Lab; (...). 2 to 3 is just visible."""
    return norm(lab(first) - lab(second))
