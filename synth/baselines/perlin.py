"""Blots of a foreign texture in the shape of thresholded Perlin noise (DRAEM: Zavrtanik et al. 2021, section 3.4).

Unlike DRAEM, which reads a texture dataset, the default texture is another good part, cut into a grid, shuffled and
recoloured; `textures` names a folder of images instead.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from synth.baselines.config import PerlinConfig
from synth.baselines.painter import Paint, PaintGenerator, Pair, Scene, recoloured
from synth.generators import texture_files
from synth.io.images import read_image
from synth.noise import Lattice, turned_places
from synth.placing.matcher import image_of

_TRIES = 20
_GRID = 8
_RECOLOUR = 0.5

Texture = Callable[[Scene, np.random.Generator], np.ndarray]
"""(scene, rng) -> float32 (H, W, 3) of the good part's size."""


def generator(config: PerlinConfig, folder: Path | None = None, seed: int = 0) -> PaintGenerator:
    """The generator of kind "perlin"."""
    return PaintGenerator("perlin", perlin(config), config.textures)


def perlin(config: PerlinConfig) -> Paint:
    """The painter that this block of a recipe asks for. GeneratorError where its folder of textures is of no use."""
    texture = _shuffled_good if config.textures is None else _from_folder(config.textures)

    def paint(scene: Scene, rng: np.random.Generator) -> Pair:
        mask = _blots(scene.permitted, config, rng)
        opacity = rng.uniform(*config.opacity)
        mixed = scene.good + opacity * (texture(scene, rng) - scene.good)
        image = np.where(mask[..., None], np.rint(np.clip(mixed, 0, 255)), scene.good)
        return image.astype(np.uint8), mask

    return paint


def noise(shape: tuple[int, int], cells: tuple[int, int], angle: float, rng: np.random.Generator) -> np.ndarray:
    """Perlin's gradient noise (Perlin 1985, with the 2002 fade) in about [-1, 1]; (H, W) float32.

    cells: periods along rows and columns of the image, whose pattern is turned by `angle` radians."""
    # A turned unit square is at most sqrt(2) wide: no cell of the lattice comes twice.
    lattice = Lattice.draw(rng, (2 * cells[0] + 2, 2 * cells[1] + 2))
    return lattice.at(turned_places(shape, (cells[1], cells[0]), angle))


def _blots(permitted: np.ndarray, config: PerlinConfig, rng: np.random.Generator) -> np.ndarray:
    """Where noise exceeds the threshold on the product, (H, W) bool; drawn again while nowhere, up to 20 times."""
    height, width = permitted.shape
    mask = np.zeros((height, width), bool)
    for _ in range(_TRIES):
        rows, columns = (int(2**power) for power in rng.integers(0, config.max_frequency + 1, 2))
        field = noise((height, width), (rows, columns), rng.uniform(0, np.pi), rng)
        mask = (field > config.threshold) & permitted
        if mask.any():
            break
    return mask


def _shuffled_good(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    other = image_of(scene.good_images[int(rng.integers(len(scene.good_images)))])
    height, width = scene.permitted.shape
    side = (_GRID * -(-width // _GRID), _GRID * -(-height // _GRID))
    tiles = np.asarray(Image.fromarray(other).resize(side, Image.Resampling.BILINEAR))
    tiles = tiles.reshape(_GRID, side[1] // _GRID, _GRID, side[0] // _GRID, 3).swapaxes(1, 2)
    tiles = tiles.reshape(_GRID**2, *tiles.shape[2:])[rng.permutation(_GRID**2)]
    shuffled = tiles.reshape(_GRID, _GRID, *tiles.shape[1:]).swapaxes(1, 2).reshape(side[1], side[0], 3)
    return recoloured(shuffled[:height, :width], _RECOLOUR, rng)


def _from_folder(folder: Path) -> Texture:
    files = texture_files(folder)

    def texture(scene: Scene, rng: np.random.Generator) -> np.ndarray:
        image = read_image(files[int(rng.integers(len(files)))])
        size = scene.permitted.shape[::-1]
        return recoloured(np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)), 0.1, rng)

    return texture
