"""The channels in which surroundings are compared, and what counts as the same in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synth.placing.fit import Photometry

_LEAST_SHARE = 0.15
_FLOOR, _FLOOR_SHARE = 3.0, 0.1
_PLAY = 3.0
_GAIN = (0.5, 2.0)


@dataclass(frozen=True, eq=False)
class Channels:
    """Square roots of the grey levels, in which light's own noise is the same at every level, on the few axes along
    which a product's colours vary: middle (3,), axes (3, C). Every image is brought to the same mean, `level`, first:
    exposure does not count."""

    level: float
    middle: np.ndarray
    axes: np.ndarray

    def exposure(self, image: np.ndarray) -> float:
        """The factor that brings an image (h, w, 3) of 0..255 to the common mean."""
        return float(np.clip(self.level / max(float(_stretched(image).mean()), 1.0), *_GAIN))

    def of(self, image: np.ndarray, exposure: float | None = None) -> np.ndarray:
        """(H, W, 3) of 0..255 -> (H, W, C) float32. exposure: of the whole image that this one is a part of."""
        gain = self.exposure(image) if exposure is None else exposure
        return (gain * _stretched(image) - self.middle) @ self.axes


def choose_channels(images: Sequence[np.ndarray]) -> Channels:
    """The principal axes of the colours of good parts, (h, w, 3) each, that have at least 0.15 of the first one's
    deviation; one for grey images."""
    pixels = np.concatenate([_stretched(image).reshape(-1, 3) for image in images])
    middle = pixels.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((pixels - middle).T) + 1e-6 * np.eye(3))
    deviation = np.sqrt(values[::-1])
    axes = vectors[:, ::-1][:, deviation >= _LEAST_SHARE * deviation[0]]
    # An axis may point either way; fixed, so that the same images give the same numbers everywhere.
    axes = axes * np.where(axes.sum(axis=0) < 0, -1, 1)
    return Channels(float(pixels.mean()), middle.astype(np.float32), axes.astype(np.float32))


def measure_photometry(good_images: Sequence[np.ndarray]) -> Photometry:
    """Of good parts (h, w, C) in their channels: levels may differ by twice the spread of the parts' own medians,
    plus 3 grey levels; deviations below 3, or a tenth of the usual one, count as plain."""
    medians = np.array([np.median(good, axis=(0, 1)) for good in good_images])
    usual = float(np.median([np.sqrt(good.var(axis=(0, 1)).sum()) for good in good_images]))
    return Photometry(2 * medians.std(axis=0) + _PLAY, max(_FLOOR, _FLOOR_SHARE * usual))


def _stretched(image: np.ndarray) -> np.ndarray:
    return 16 * np.sqrt(image.astype(np.float32))
