"""From a surface to a camera picture: light, gloss, lens and sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synth.sources.procedural.noise import grid


@dataclass(frozen=True, slots=True)
class Surface:
    """A piece of material seen from above: height (H, W) in px, albedo (H, W, 3) in [0, 1], gloss (H, W) in [0, 1]."""

    height: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray


def light(surface: Surface, rng: np.random.Generator) -> np.ndarray:
    """Linear radiance (H, W, 3): one distant lamp and ambient light, Lambert plus a Blinn-Phong highlight."""
    slope_rows, slope_columns = np.gradient(surface.height)
    norm = np.sqrt(1 + slope_rows**2 + slope_columns**2)
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.3)
    lamp = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    facing = (lamp[2] - lamp[0] * slope_columns - lamp[1] * slope_rows) / norm
    half = lamp + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    mirror = np.clip((half[2] - half[0] * slope_columns - half[1] * slope_rows) / norm, 0, 1)
    ambient = rng.uniform(0.25, 0.6)
    diffuse = ambient + (1 - ambient) * np.clip(facing, 0, None) / lamp[2]
    highlight = surface.gloss * mirror ** rng.uniform(20, 60)
    return surface.albedo * diffuse[..., None] + 0.5 * highlight[..., None]


def photograph(radiance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A camera's uint8 (H, W, 3) picture: uneven light, vignetting, exposure, defocus and sensor noise."""
    height, width = radiance.shape[:2]
    rows, columns = grid((height, width))
    y, x = rows / height - 0.5, columns / width - 0.5
    tilt = rng.normal(0, 0.15, 2)
    field = (1 + tilt[0] * y + tilt[1] * x) * (1 - rng.uniform(0, 0.35) * (x**2 + y**2))
    picture = radiance * field[..., None] * np.exp(rng.normal(0, 0.15))
    picture = ndimage.gaussian_filter(picture, (*[rng.uniform(0.2, 0.8)] * 2, 0))
    grain = rng.standard_normal((height, width, 1)) if rng.random() < 0.5 else rng.standard_normal((height, width, 3))
    picture = picture + rng.uniform(0.002, 0.02) * grain
    return np.clip(255 * picture + 0.5, 0, 255).astype(np.uint8)
