"""How far the good parts of a product are turned against each other."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from scipy import ndimage

ANY = 180.0
"""Degrees to either side: any angle."""
_BINS = 72
_LEAST, _MOST = 3.0, 40.0
_PLAY = 2.0
_FLAT = 0.15
_NEARLY = 0.9


def direction_profile(image: np.ndarray) -> np.ndarray:
    """How much of an image's structure runs in each direction: gradient energy by the gradient's direction, `_BINS`
    over half a circle, mean 1; image (H, W) float32."""
    smooth = cv2.GaussianBlur(image, (0, 0), 1.0)
    down, right = ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1)
    energy = down**2 + right**2
    bins = np.round(np.arctan2(-down, right) / np.pi * _BINS).astype(int) % _BINS
    # Capped, or a single reflection would speak for the whole image.
    energy = np.minimum(energy, np.quantile(energy, 0.99))
    profile = ndimage.gaussian_filter1d(np.bincount(bins.ravel(), energy.ravel(), _BINS), 1.0, mode="wrap")
    return profile / max(float(profile.mean()), 1e-9)


def turn_limit(images: Sequence[np.ndarray]) -> float:
    """How far good parts are turned, degrees to either side: of images (H, W) float32 of good parts.

    The turn between two images is the smallest shift that lays one direction profile on the other nearly as well as
    any. Profiles without directions (isotropic grain, round parts) leave every turn open, as do parts that lie at all
    angles: 180. Otherwise the ninetieth percentile of the turns with a play of 2 degrees, 3 at the least."""
    profiles = np.stack([direction_profile(image) for image in images])
    if len(profiles) < 2:
        return _LEAST
    shapes = profiles - 1
    if float(np.median(shapes.std(axis=1))) < _FLAT:
        return ANY
    spectra = np.fft.rfft(shapes, axis=1)
    first, second = np.triu_indices(len(shapes), 1)
    overlap = np.fft.irfft(spectra[first] * np.conj(spectra[second]), _BINS, axis=1)
    turns = np.abs((np.arange(_BINS) * 180 / _BINS + 90) % 180 - 90)
    # Parts with structure along both axes fit nearly as well a quarter turn on: the smaller turn is the likelier.
    alike = overlap >= _NEARLY * overlap.max(axis=1, keepdims=True)
    found = np.where(alike, turns, np.inf).min(axis=1)
    limit = float(np.quantile(found, 0.9)) + _PLAY
    return ANY if limit > _MOST else max(limit, _LEAST)


def lie_alike(angles: np.ndarray) -> float:
    """How far directions scatter, degrees: the circular standard deviation of `angles` (n,) in radians, a line having
    the same one either way, 3 at the least; 180 where fewer than three are known or the resultant of their doubled
    angles is not longer than 0.75."""
    resultant = float(np.abs(np.exp(2j * angles).mean())) if len(angles) >= 3 else 0.0
    if resultant <= 0.75:
        return ANY
    return max(_LEAST, float(np.rad2deg(np.sqrt(-2 * np.log(resultant)) / 2)))


def ellipse(mask: np.ndarray) -> tuple[float, float]:
    """Angle in radians, from the x axis towards larger rows, and elongation (long over short axis, at least 1) of the
    ellipse with the second moments of a mask (h, w) bool, not empty."""
    points = np.stack(np.nonzero(mask)).astype(float)
    moments = np.cov(points) if points.shape[1] > 1 else np.zeros((2, 2))
    values, vectors = np.linalg.eigh(moments + np.eye(2) / 12)
    return float(np.arctan2(vectors[0, 1], vectors[1, 1])), float(np.sqrt(values[1] / values[0]))
