"""Re-shading of an image from the change of its surface, in linear light (sRGB values to the power of 2.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth.dual.arrays import Array, dot, like, namespace, smooth, unit, within

GAMMA = 2.2
RATIO = (0.3, 2.5)
"""Limits of the change by shading."""
LEAST_FIT = 0.05
"""R^2 below which the estimated light is not trusted."""
OCCLUSION = 0.8
MARCH = 16
"""Most steps towards the lamp when a cast shadow is looked for."""
SHADOW = 0.55
"""Share of light left in a cast shadow."""

_LINEAR = (np.arange(256) / 255.0).astype(np.float32) ** np.float32(GAMMA)


@dataclass(frozen=True, slots=True)
class Light:
    """`direction` (3,) unit, from the surface towards the lamp; `ambient` in [0, 1], the share without direction;
    `fit` R^2 of the estimate, 0 for the fallback."""

    direction: tuple[float, float, float]
    ambient: float
    fit: float = 0.0


def to_linear(image: np.ndarray) -> np.ndarray:
    """uint8 -> linear float32 in [0, 1]."""
    return _LINEAR[image]


def to_bytes(linear: np.ndarray) -> np.ndarray:
    """linear float in [0, 1] -> uint8; the inverse of `to_linear`."""
    return np.rint(255 * within(linear, 0, 1) ** np.float32(1 / GAMMA)).astype(np.uint8)


def estimate_light(normal: np.ndarray, image: np.ndarray, where: np.ndarray) -> Light:
    """The lamp that explains how brightness follows the normals: least squares of grey = c0 + c . n over pixels
    (H, W) bool; l = c / |c|, ambient = c0 / (c0 + |c|).

    Falls back to a lamp above and behind the camera where the fit is poor, or lights the part from behind."""
    known = np.flatnonzero(where & (dot(normal, normal) > 0))
    some = known[:: max(1, len(known) // 50_000)]
    fallback = Light((0.0, -0.6, -0.8), 0.4)
    if len(some) < 100:
        return fallback
    n = normal.reshape(-1, 3)[some].astype(np.float64)
    grey = to_linear(image.reshape(-1, 3)[some]).mean(-1).astype(np.float64)
    design = np.column_stack([np.ones(len(n)), n])
    found, *_ = np.linalg.lstsq(design, grey, rcond=None)
    spread = float(((grey - grey.mean()) ** 2).sum())
    fit = 1 - float(((grey - design @ found) ** 2).sum()) / max(spread, 1e-12)
    strength = float(np.linalg.norm(found[1:]))
    if fit < LEAST_FIT or strength == 0 or found[3] / strength > -0.2 or found[0] < 0:
        return fallback
    x, y, z = (float(c) for c in found[1:] / strength)
    return Light((x, y, z), float(np.clip(found[0] / (found[0] + strength), 0.15, 0.9)), fit)


def shading(normal: Array, light: Light) -> Array:
    """S(n) = a + (1 - a) max(0, n . l); normal (..., 3) -> (...)."""
    facing = dot(normal, like(light.direction, normal))
    return light.ambient + (1 - light.ambient) * within(facing, 0)


def shading_change(before: Array, after: Array, light: Light) -> Array:
    """S(n') / S(n) within RATIO; normals (..., 3) -> (...)."""
    return within(shading(after, light) / shading(before, light), *RATIO)


def highlight_change(xyz: Array, before: Array, after: Array, light: Light, strength: float, power: float) -> Array:
    """Blinn-Phong: strength ((n' . b)^power - (n . b)^power), b half-way between lamp and view; (...)."""
    half = unit(like(light.direction, xyz) - unit(xyz))
    return strength * (within(dot(after, half), 0) ** power - within(dot(before, half), 0) ** power)


def occlusion(height: Array, radius_px: float, full: float) -> Array:
    """Ambient occlusion clip(1 - k max(0, G_{R/3} * h - h) / full, 0.4, 1): hollows darken, ridges do not. `full`
    metres: the depth at which a hollow of this radius is dark."""
    below = within(smooth(height, radius_px / 3) - height, 0)
    return within(1 - (OCCLUSION / full) * below, 0.4, 1)


def cast_shadow(height: Array, step_px: tuple[float, float], rise: float, reach_px: float) -> Array:
    """Light left under shadows that the relief throws on itself, (..., H, W) in [SHADOW, 1].

    Marches from each pixel towards the lamp: `step_px` (down, right) px for each metre along the surface, on which the
    ray to the lamp gains `rise` metres; as far as reach_px, in at most MARCH steps; softened by one px."""
    xp = namespace(height)
    length = float(np.hypot(*step_px))
    rows, columns = height.shape[-2:]
    hidden = xp.zeros_like(height)
    count = int(min(MARCH, max(1, round(reach_px))))
    for k in range(1, count + 1):
        far = reach_px * k / count
        down, right = (round(far * s / length) for s in step_px)
        if max(abs(down), abs(right)) >= min(rows, columns):
            break
        ahead = xp.roll(height, (-down, -right), (-2, -1))
        gain = rise * far / length
        hidden = xp.maximum(hidden, within((ahead - height - gain) / (gain / far + 1e-9), 0, 1))
    return 1 - (1 - SHADOW) * smooth(hidden, 1.0)
