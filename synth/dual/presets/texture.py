"""Foreign textures for images: images of a folder, or the image itself in pieces; varied as in DRAEM."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from synth.dual.material import own_texture
from synth.generators import texture_files
from synth.io.images import read_image

OPERATIONS = 3
"""Changes made to a texture, out of CHANGES (DRAEM). [C]"""

Texture = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""(image float32 (H, W, 3) in [0, 1], rng) -> float32 texture of the same size."""


def own_pieces(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image cut into an 8 x 8 grid and shuffled (TransFusion [C]), its channels mixed, then varied."""
    return varied(own_texture(image, rng), rng)


def folder_texture(folder: Path, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image of the folder, brought to the image's size and varied. GeneratorError for a folder without any."""
    files = _files(folder)
    texture_image = Image.fromarray(read_image(files[int(rng.integers(len(files)))]))
    resized = texture_image.resize(image.shape[1::-1], Image.Resampling.BILINEAR)
    return varied(np.asarray(resized, np.float32) / 255, rng)


def varied(texture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The texture float32 (H, W, 3) in [0, 1] after OPERATIONS different CHANGES, drawn at random."""
    texture_image = Image.fromarray(np.rint(255 * texture).astype(np.uint8))
    for k in rng.permutation(len(CHANGES))[:OPERATIONS]:
        texture_image = CHANGES[k](texture_image, rng)
    return np.asarray(texture_image, np.float32) / 255


@lru_cache(maxsize=4)
def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(texture_files(folder))


def _gamma(texture_image: Image.Image, rng: np.random.Generator) -> Image.Image:
    values = np.asarray(texture_image, np.float32) / 255
    return _image(255 * values ** rng.uniform(0.5, 2.0, 3))


def _brightness(texture_image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return _image(np.asarray(texture_image, np.float32) * rng.uniform(0.8, 1.2) + rng.uniform(-30, 30))


def _hue(texture_image: Image.Image, rng: np.random.Generator) -> Image.Image:
    hsv = np.array(texture_image.convert("HSV")).astype(np.int16)
    hue, saturation = rng.integers(-50, 51, 2)
    hsv[..., 0] = (hsv[..., 0] + hue) % 256
    hsv[..., 1] = np.clip(hsv[..., 1] + saturation, 0, 255)
    return Image.frombytes("HSV", texture_image.size, hsv.astype(np.uint8).tobytes()).convert("RGB")


def _turned(texture_image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """By up to 45 degrees, corners filled with what lies opposite."""
    height, width = texture_image.height, texture_image.width
    pad = ((height // 2, height // 2), (width // 2, width // 2), (0, 0))
    wide = Image.fromarray(np.pad(np.asarray(texture_image), pad, mode="wrap"))
    turned = wide.rotate(float(rng.uniform(-45, 45)), Image.Resampling.BILINEAR)
    return turned.crop((width // 2, height // 2, width // 2 + width, height // 2 + height))


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(values, 0, 255)).astype(np.uint8))


CHANGES: tuple[Callable[[Image.Image, np.random.Generator], Image.Image], ...] = (
    _gamma,
    _brightness,
    _hue,
    _turned,
    lambda texture_image, rng: ImageEnhance.Sharpness(texture_image).enhance(float(rng.uniform(1, 3))),
    lambda texture_image, rng: ImageOps.solarize(texture_image, int(rng.integers(32, 129))),
    lambda texture_image, rng: ImageOps.posterize(texture_image, int(rng.integers(2, 6))),
    lambda texture_image, rng: ImageOps.invert(texture_image),
    lambda texture_image, rng: ImageOps.autocontrast(texture_image),
    lambda texture_image, rng: ImageOps.equalize(texture_image),
)
"""DRAEM's ten changes [C]; strengths of sharpening and posterizing are our own [P]."""
