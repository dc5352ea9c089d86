"""A shot's defect laid onto a good image: its own pixels, fitted to the light of their new place, with a soft edge."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from synth.placing.crop import DefectCrop
from synth.placing.depth import deepened, smoothed_within
from synth.placing.faint import Film, laid_under
from synth.placing.pose import Pose, onto
from synth.placing.variation import UNVARIED, Variation, bending

_RING = (1.5, 0.35)
_LEAST_RING = 6.0
_LIGHT = (0.6, 1.6)
_SHADE = 24.0
_FEWEST = 8
_RIM = 1.0
"""px around the mask that are taken along, so that what fades there is the defect's own edge."""


def paste(
    good: np.ndarray,
    crop: DefectCrop,
    pose: Pose,
    feather: float = 1.0,
    contrast: float = 1.0,
    variation: Variation | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A new image (H, W, 3) uint8 with the defect on it and its mask (H, W) bool: the shot's, moved with it.

    feather: sigma of the edge, px; contrast: the defect's depth, as a multiple, besides that of `variation`. The shot's
    pixels are scaled by the ratio of light around the defect there and here, and shifted by the smooth rest; a large
    and faint defect leaves the good image's own grain on top. The image is the good one, bit for bit, farther than a
    few px from the mask and the margin that the variation takes along."""
    variation = variation or UNVARIED
    margin = int(np.ceil(max(_RING[1] * crop.extent, _LEAST_RING) * pose.scale + 4 * feather)) + 2
    top, left, size = _canvas(crop, pose, margin, good.shape)
    result, mask = good.copy(), np.zeros(good.shape[:2], bool)
    if min(size) <= 0:
        return result, mask
    moved = bending(variation, crop)

    def laid(plane: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
        return onto(plane.astype(np.float32), pose, crop, top, left, size, moved, interpolation)

    cover, known = laid(crop.mask), laid(np.ones(crop.mask.shape, np.float32)) > 0.99
    # Half covered; when shrunk, as little as a line of 1 px midway between two rows leaves to both, or it would break.
    inner = cover >= min(0.5, max(0.2, 1 - 0.5 / pose.scale)) - 0.02
    if not inner.any():
        return result, mask
    area = (slice(top, top + size[0]), slice(left, left + size[1]))
    here = good[area].astype(np.float32)
    away = cv2.distanceTransform((~inner).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ring = known & (away > _RING[0]) & (away <= margin - 4 * feather)
    contrast *= variation.contrast
    if crop.faint:
        fitted, rim = _shaded(crop.film, laid, here, inner, ring, contrast), 0.0
    else:
        # Linear interpolation would smooth the grain, and tell a pasted region from the rest.
        shot = _toned(laid(crop.image, cv2.INTER_LANCZOS4), variation.gamma)
        fitted = _in_this_light(shot, here, ring, max(2.0, 0.25 * crop.extent * pose.scale))
        fitted = deepened(fitted, here, inner, contrast)
        rim = max(_RIM, variation.margin)
    near = (away <= rim).astype(np.float32)
    alpha = np.array(cv2.GaussianBlur(near, (0, 0), feather) if feather > 0 else near, np.float32)
    alpha[~known & ~inner] = 0
    blended = here + alpha[..., None] * (fitted - here)
    result[area] = np.rint(np.clip(blended, 0, 255)).astype(np.uint8)
    mask[area] = inner
    return result, mask


def _shaded(
    film: Film,
    laid: Callable[[np.ndarray], np.ndarray],
    here: np.ndarray,
    inner: np.ndarray,
    ring: np.ndarray,
    contrast: float,
) -> np.ndarray:
    """The good image `here` (h, w, 3) with the depth of a faint defect below its grain, in the light around it."""
    light = 1.0
    if ring.sum() >= _FEWEST:
        light = np.clip(here[ring].mean(axis=0) / np.maximum(film.level, 1.0), *_LIGHT)
    return laid_under(here, contrast * light * laid(film.low), inner, film.gain)


def _toned(pixels: np.ndarray, gamma: float) -> np.ndarray:
    """Pixels of 0..255 raised to `gamma`; the light is fitted afterwards, so that their middle stays where it is."""
    return pixels if gamma == 1 else 255 * (pixels / 255).clip(0) ** gamma


def _in_this_light(there: np.ndarray, here: np.ndarray, ring: np.ndarray, width: float) -> np.ndarray:
    """The shot's pixels `there` (h, w, 3) as they would look `here`: scaled by the ratio of the means over the ring
    (h, w) bool, and shifted by what then remains of the difference there, smoothed over `width` px."""
    if ring.sum() < _FEWEST:
        return there
    light = np.clip(here[ring].mean(axis=0) / np.maximum(there[ring].mean(axis=0), 1.0), *_LIGHT)
    rest = np.clip(here - light * there, -_SHADE, _SHADE)
    return light * there + smoothed_within(rest, ring, width)[0]


def _canvas(crop: DefectCrop, pose: Pose, margin: int, shape: tuple[int, ...]) -> tuple[int, int, tuple[int, int]]:
    """(top, left, (rows, columns)) of the part of a good image of `shape` (H, W, ...) around the laid defect."""
    top, left, bottom, right = crop.box
    corners = np.array([[top, left], [top, right - 1], [bottom - 1, left], [bottom - 1, right - 1]])
    spread = pose.at(corners, crop)
    low = np.maximum(np.floor(spread.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(spread.max(axis=0)).astype(int) + margin + 1, shape[:2])
    return int(low[0]), int(low[1]), (int(high[0] - low[0]), int(high[1] - low[1]))
