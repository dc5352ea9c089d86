"""From a surface to the light that leaves it: lamp, gloss, hollows and cast shadows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synth.sources.procedural.noise import grid, soft_step


@dataclass(frozen=True, slots=True)
class Surface:
    """A piece of material seen from above: height (H, W) in px, albedo (H, W, C) in [0, 1], gloss (H, W) in [0, 1].

    C is 3, or 1 for a monochrome camera. shine: how narrow the highlight is, the exponent of Blinn and Phong."""

    height: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray
    shine: float = 40.0


def light(surface: Surface, rng: np.random.Generator) -> np.ndarray:
    """Linear radiance (H, W, C): one lamp at a finite distance (or a strip of them) and ambient light.

    Lambert plus Blinn-Phong, its lobe written as a Gaussian of the slope; hollows get less ambient light, and what
    stands up casts a short shadow away from the lamp."""
    height = surface.height
    slope_rows, slope_columns = np.gradient(height)
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.35)
    lean = np.array([np.cos(azimuth), np.sin(azimuth)]) / np.tan(elevation)
    near = rng.uniform(0.05, 0.6)
    rows, columns = grid((height.shape[0], height.shape[1]))
    y, x = rows / height.shape[0] - 0.5, columns / height.shape[1] - 0.5
    lean_rows, lean_columns = np.float32(lean[0]) - near * y, np.float32(lean[1]) - near * x
    normal = 1 / np.sqrt(1 + slope_rows**2 + slope_columns**2)
    facing = np.clip(1 - lean_rows * slope_rows - lean_columns * slope_columns, 0, 2.5) * normal
    shade = _shadow(height, lean / np.hypot(*lean), np.tan(elevation)) if rng.random() < 0.7 else 1.0
    ambient = rng.uniform(0.25, 0.65)
    hollow = np.clip(ndimage.uniform_filter(height, 7) - height, 0, None)
    open_sky = 1 / (1 + rng.uniform(0.05, 0.3) * hollow)
    diffuse = ambient * open_sky + (1 - ambient) * facing * shade
    # The half vector's slope is half the lamp's; a highlight lies where the surface has that slope.
    off_rows, off_columns = 0.5 * lean_rows + slope_rows, 0.5 * lean_columns + slope_columns
    strip = rng.choice([1.0, 0.03])
    lobe = np.exp(-0.5 * surface.shine * np.minimum(off_rows**2 + strip * off_columns**2, 2.0))
    highlight = rng.uniform(0.1, 0.7) * surface.gloss * lobe * shade
    return surface.albedo * diffuse[..., None] + highlight[..., None]


def _shadow(height: np.ndarray, towards: np.ndarray, rise: float) -> np.ndarray:
    """How much lamp light arrives, (H, W) in [0.3, 1]: none from where the surface a few px on stands in the way."""
    blocked = np.zeros_like(height)
    rows, columns = (np.arange(length) for length in height.shape)
    for step in (2, 5):
        r, c = np.rint(step * towards).astype(int)
        ahead = height[np.clip(rows + r, 0, len(rows) - 1)[:, None], np.clip(columns + c, 0, len(columns) - 1)]
        np.maximum(blocked, ahead - height - np.float32(step * rise), out=blocked)
    return 1 - 0.7 * np.minimum(blocked, 1)


def shadow_band(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Light field (H, W) of something out of view that shades one side of the image, with a soft border."""
    rows, columns = grid(shape)
    angle = rng.choice([0.0, 0.5, 1.0, 1.5]) * np.pi + rng.normal(0, 0.15)
    side = max(shape)
    across = np.float32(np.cos(angle)) * (columns - shape[1] / 2) + np.float32(np.sin(angle)) * (rows - shape[0] / 2)
    shaded = soft_step(across + side * np.float32(rng.uniform(0.15, 0.48)), side * rng.uniform(0.05, 0.45))
    return 1 - rng.uniform(0.2, 0.75) * shaded
