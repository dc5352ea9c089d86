"""Masks that a user hands in: where defects may lie, and outlines to draw defects under."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from synth.errors import GeneratorError
from synth.io.images import SUFFIXES, read_mask


def read_region(path: Path) -> np.ndarray:
    """The legal region as bool (h, w). GeneratorError where it is missing or allows nothing."""
    if not path.is_file():
        raise GeneratorError(f"generator.legal_region: there is no file {path}; give an image, white where allowed")
    region = read_mask(path)
    if not region.any():
        raise GeneratorError(f"generator.legal_region: {path} is black everywhere; paint white where defects may lie")
    return region


def list_masks(folder: Path, defect: str) -> list[Path]:
    """The mask files for one defect type, sorted: folder/<defect>/*. GeneratorError where there is none."""
    place = folder / defect
    found = sorted(p for p in place.glob("*") if p.suffix.lower() in SUFFIXES) if place.is_dir() else []
    if not found:
        raise GeneratorError(f"generator.masks: no mask in {place}; put images there, white where a defect shall be")
    return found


def stretch(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask (h, w) bool resized to (H, W); a pixel is True when any of the mask's pixels under it is."""
    height, width = shape
    if mask.shape == shape:
        return mask
    soft = Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    return np.asarray(soft) > 0
