"""Samples at the size that a segmenter sees them at."""

from __future__ import annotations

import numpy as np
from PIL import Image

from synth.errors import EvalError
from synth.sample import Sample


def resize(sample: Sample, resolution: int, tile: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 and mask bool of a sample: both sides of `resolution` px or, with a tile, all of the image at the
    scale that makes `tile` px of it `resolution` px. No mask means good. A mask pixel is defect where at least half of
    what lies under it is; a defect that would vanish by that rule keeps its most covered pixel."""
    if sample.image is None:
        raise EvalError(f"{sample.id} has no image; a segmenter learns from images")
    size = (resolution, resolution)
    if tile is not None:
        height, width = (max(1, round(length * resolution / tile)) for length in sample.image.shape[:2])
        size = (width, height)
    how = Image.Resampling.BOX if tile is None or tile > resolution else Image.Resampling.BILINEAR
    image = np.asarray(Image.fromarray(sample.image).resize(size, how))
    if sample.mask is None or not sample.mask.any():
        return image, np.zeros(image.shape[:2], bool)
    share = np.asarray(Image.fromarray(sample.mask.astype(np.float32)).resize(size, how))
    return image, share >= min(0.5, float(share.max()))
