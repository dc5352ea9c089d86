"""From light to an image: uneven light, lens, exposure, sensor and file."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image
from scipy import ndimage

from synth.sources.procedural.noise import grid
from synth.sources.procedural.shade import shadow_band


def photograph(radiance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A camera's uint8 (H, W, 3) image of radiance (H, W, C); C = 1 is a monochrome camera.

    In the order of the light's way: uneven light, vignetting, exposure (partly metered), defocus, shot and read noise,
    tone curve, and for a third of the images JPEG."""
    height, width, channels = radiance.shape
    rows, columns = grid((height, width))
    y, x = rows / height - 0.5, columns / width - 0.5
    tilt = rng.normal(0, 0.2, 2).astype(np.float32)
    field = (1 + tilt[0] * y + tilt[1] * x) * (1 - np.float32(rng.uniform(0, 0.5)) * (x**2 + y**2))
    if rng.random() < 0.2:
        field = field * shadow_band((height, width), rng)
    metered = (rng.uniform(0.2, 0.55) / max(float(radiance.mean()), 0.02)) ** rng.uniform(0, 0.6)
    gain = metered * np.exp(rng.normal(0, 0.15)) * (1 if channels == 1 else np.exp(rng.normal(0, 0.04, channels)))
    image = radiance.astype(np.float32) * (field[..., None] * np.asarray(gain, dtype=np.float32))
    blur = rng.uniform(0.25, 0.75) if rng.random() < 0.88 else rng.uniform(0.75, 1.6)
    image = ndimage.gaussian_filter(image, (blur, blur, 0), truncate=3)
    read, shot = np.exp(rng.uniform(np.log(0.001), np.log(0.015))), rng.uniform(0, 0.025)
    grain = rng.standard_normal((height, width, channels if rng.random() < 0.5 else 1), dtype=np.float32)
    image = image + np.sqrt(np.float32(read**2) + np.float32(shot**2) * np.clip(image, 0, 1)) * grain
    image = np.clip(image, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.12)))
    pixels = (255 * image + 0.5).astype(np.uint8)
    if rng.random() < 0.33:
        pixels = _through_jpeg(pixels, int(rng.integers(45, 96)))
    return np.repeat(pixels, 3, axis=2) if channels == 1 else pixels


def _through_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(pixels.shape)
