"""Images with a known defect, for the tests of placing."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from synth.placing.crop import DefectCrop, cut_crop

SIZE = (37, 53)


def marked(where: tuple[slice, slice], size: tuple[int, int] = SIZE) -> np.ndarray:
    """A mask (H, W) bool, True at `where`."""
    mask = np.zeros(size, bool)
    mask[where] = True
    return mask


def crop_of(mask: np.ndarray, ground: float = 180, mark: float = 60, least: float = 8, noise: int = 0) -> DefectCrop:
    """A defect of one grey level on a surface of another one, with some noise on both."""
    return cut_crop(plate(mask, ground, mark, noise), mask, least)


def plate(mask: np.ndarray, ground: float, mark: float, noise: int = 0, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 of level `mark` in the mask and `ground` elsewhere; the noise of a seed is the same each time."""
    grey = np.where(mask, mark, ground) + np.random.default_rng(seed).integers(-noise, noise + 1, mask.shape)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def grain(size: tuple[int, int], seed: int, sigma: float = 1.5) -> np.ndarray:
    """Smoothed noise, the same in all directions: (H, W) float32 of mean 128 and deviation 25."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=size), sigma, mode="wrap")
    return (128 + 25 * (smooth - smooth.mean()) / smooth.std()).astype(np.float32)
