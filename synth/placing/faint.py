"""Large and faint defects, such as stains and uneven patches: the surface's own grain shows through them.

Pasted as they are, the shot's grain would end in mid-surface where the good image's begins. Only their depth is taken
over, what they change at low frequency, and laid under the grain of the image that they come to lie on.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from synth.placing.depth import coarseness, half_width, smoothed_within

_LARGE, _LEAST_HALF = 0.05, 8.0
_FAINT = (0.7, 2.5)
_GRAIN = (0.5, 1.6)
_RING = (2.0, 0.35)
_SEEN = 0.05
_FADE = 1.5


@dataclass(frozen=True, eq=False)
class Film:
    """What a faint defect does to a surface: low (h, w, 3) float32, its depth in grey levels, defined everywhere, true
    inside the mask; gain, the grain in it over the grain around it; level (3,), the surface's own around it."""

    low: np.ndarray
    gain: float
    level: np.ndarray


def film(image: np.ndarray, mask: np.ndarray) -> Film:
    """Of the defect `mask` (h, w) bool, not empty, of an image (h, w, 3) that shows its surroundings: its smoothed
    pixels less the surroundings as they would continue under it."""
    pixels, half, ring = image.astype(np.float32), half_width(mask), _ring(mask)
    sigma = coarseness(half)
    inside, _ = smoothed_within(pixels, mask, sigma)
    gain = _deviation(pixels - inside, mask) / max(
        _deviation(pixels - smoothed_within(pixels, ring, sigma)[0], ring), 1.0
    )
    low = np.where(mask[..., None], inside, 0) - continued(pixels, ring, half)
    low, _ = smoothed_within(low, mask, 1.0)
    return Film(low.astype(np.float32), float(gain), pixels[ring].mean(axis=0))


def is_faint(image: np.ndarray, mask: np.ndarray, side: int) -> bool:
    """Whether a defect is large and faint: its half width at least 0.05 of `side`, the shorter one of the whole image
    in px, its depth 0.7 to 2.5 times the deviation of the grain around it, and its own grain like that grain."""
    half = half_width(mask)
    if half < max(_LEAST_HALF, _LARGE * side) or not _ring(mask).any():
        return False
    found, ring = film(image, mask), _ring(mask)
    pixels = image.astype(np.float32)
    grain = _deviation(pixels - smoothed_within(pixels, ring, coarseness(half))[0], ring)
    depth = float(np.sqrt((found.low[mask] ** 2).mean()))
    return _FAINT[0] * grain <= depth <= _FAINT[1] * grain and _GRAIN[0] <= found.gain <= _GRAIN[1]


def laid_under(ground: np.ndarray, low: np.ndarray, mask: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """An image `ground` (h, w, 3) float with the depth `low` (h, w, 3) below its own grain, that times `gain`; what it
    is inside the mask (h, w) bool and some px around."""
    if gain == 1:
        return ground + low
    grain = ground - smoothed_within(ground, mask, coarseness(half_width(mask)))[0]
    return ground + low + (gain - 1) * grain


def with_own_grain(ground: np.ndarray, drawn: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """An image (h, w, 3) float that differs from `ground` by no more than the depth of what was `drawn` on it inside
    the mask (h, w) bool, not empty, faded out beyond."""
    low, _ = smoothed_within(drawn - ground, mask, coarseness(half_width(mask)))
    return ground + edge(mask, _FADE)[..., None] * low


def edge(mask: np.ndarray, sigma: float) -> np.ndarray:
    """1 deep in the mask, 0 beyond it, soft between, (h, w) float32."""
    return np.array(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma), np.float32)


def continued(pixels: np.ndarray, known: np.ndarray, half: float) -> np.ndarray:
    """The pixels (h, w, 3) of a region `known` (h, w) bool spread over all of the image, smooth: near means where the
    region is near, wider ones farther in."""
    found = np.broadcast_to(pixels[known].mean(axis=0), pixels.shape)
    for width in (2 * half, half, half / 2):
        near, seen = smoothed_within(pixels, known, max(1.0, width))
        trust = np.clip(seen / _SEEN, 0, 1)
        found = trust * near + (1 - trust) * found
    return found


def _ring(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    extent = max(int(np.ptp(rows)), int(np.ptp(columns))) + 1
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return (away > _RING[0]) & (away <= max(_RING[1] * extent, 6.0))


def _deviation(values: np.ndarray, region: np.ndarray) -> float:
    return float(values[region].std(axis=0).mean())
