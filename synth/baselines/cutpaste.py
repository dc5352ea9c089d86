"""CutPaste (Li et al. 2021, section 2.2): a rectangle or thin strip of the good image, recoloured, pasted elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from synth.baselines.config import CutPasteConfig
from synth.baselines.painter import Paint, PaintGenerator, Pair, Scene, anywhere, lay, recoloured


def generator(config: CutPasteConfig, folder: Path | None = None, seed: int = 0) -> PaintGenerator:
    """The generator of kind "cutpaste"."""
    return PaintGenerator("cutpaste", cutpaste(config))


def cutpaste(config: CutPasteConfig) -> Paint:
    """The painter that this block of a recipe asks for."""

    def paint(scene: Scene, rng: np.random.Generator) -> Pair:
        variant = rng.choice(["normal", "scar"]) if config.variant == "both" else config.variant
        height, width = _scar(scene, config, rng) if variant == "scar" else _rectangle(scene, config, rng)
        piece = recoloured(_cut(scene.good, height, width, rng), config.jitter, rng)
        alpha = np.ones((height, width), np.float32)
        if variant == "scar":
            piece, alpha = _turned(piece, rng.uniform(-45, 45))
        return lay(scene, piece, alpha, anywhere(scene.permitted, rng))

    return paint


def _rectangle(scene: Scene, config: CutPasteConfig, rng: np.random.Generator) -> tuple[int, int]:
    area = rng.uniform(*config.area) * scene.permitted.size
    aspect = np.exp(rng.uniform(*np.log(config.aspect)))
    return _inside(scene, np.sqrt(area * aspect), np.sqrt(area / aspect))


def _scar(scene: Scene, config: CutPasteConfig, rng: np.random.Generator) -> tuple[int, int]:
    unit = min(scene.permitted.shape) / 256
    return _inside(scene, rng.uniform(*config.scar_width) * unit, rng.uniform(*config.scar_length) * unit)


def _inside(scene: Scene, height: float, width: float) -> tuple[int, int]:
    """Whole pixels, at least 2 and no more than the image has."""
    rows, columns = scene.permitted.shape
    return min(rows, max(2, round(height))), min(columns, max(2, round(width)))


def _cut(image: np.ndarray, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    top = rng.integers(image.shape[0] - height + 1)
    left = rng.integers(image.shape[1] - width + 1)
    return image[top : top + height, left : left + width]


def _turned(piece: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The piece (h, w, 3) float32 turned counter-clockwise, and where it lies in its new frame; (H, W) float32."""
    channels = [
        Image.fromarray(piece[..., c]).rotate(degrees, Image.Resampling.BILINEAR, expand=True) for c in range(3)
    ]
    solid = Image.fromarray(np.ones(piece.shape[:2], np.float32))
    alpha = np.asarray(solid.rotate(degrees, Image.Resampling.BILINEAR, expand=True))
    # Turning mixes the piece's rim with black; dividing by its own weight takes the black out again.
    return np.stack([np.asarray(c) for c in channels], -1) / np.maximum(alpha, 1e-3)[..., None], alpha
