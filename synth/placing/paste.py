"""A shot's defect laid onto a good image: its own pixels, fitted to the light of their new place, with a soft edge."""

from __future__ import annotations

import cv2
import numpy as np

from synth.placing.crop import DefectCrop
from synth.placing.pose import Pose, onto

_RING = (1.5, 0.35)
_LEAST_RING = 6.0
_LIGHT = (0.6, 1.6)
_SHADE = 24.0
_RIM = 1.0
"""px around the mask that are taken along, so that what fades there is the defect's own edge."""


def paste(
    good: np.ndarray, crop: DefectCrop, pose: Pose, feather: float = 1.0, contrast: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A new image (H, W, 3) uint8 with the defect on it and its mask (H, W) bool: the shot's, moved with it.

    feather: sigma of the edge, px; contrast: the defect's difference to its surroundings, as a multiple. The shot's
    pixels are scaled by the ratio of light around the defect there and here, and shifted by the smooth rest; the
    image is the good one, bit for bit, farther than a few px from the mask."""
    margin = int(np.ceil(max(_RING[1] * crop.extent, _LEAST_RING) * pose.scale + 4 * feather)) + 2
    top, left, size = _canvas(crop, pose, margin, good.shape)
    result, mask = good.copy(), np.zeros(good.shape[:2], bool)
    if min(size) <= 0:
        return result, mask
    area = (slice(top, top + size[0]), slice(left, left + size[1]))
    here = good[area].astype(np.float32)
    cover = onto(crop.mask.astype(np.float32), pose, crop, top, left, size)
    known = onto(np.ones(crop.mask.shape, np.float32), pose, crop, top, left, size) > 0.99
    there = onto(crop.image.astype(np.float32), pose, crop, top, left, size)
    # Half covered; when shrunk, as little as a line of 1 px midway between two rows leaves to both, or it would break.
    inner = cover >= min(0.5, max(0.2, 1 - 0.5 / pose.scale)) - 0.02
    if not inner.any():
        return result, mask
    away = cv2.distanceTransform((~inner).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ring = known & (away > _RING[0]) & (away <= margin - 4 * feather)
    fitted = _in_this_light(there, here, ring, max(2.0, 0.25 * crop.extent * pose.scale), contrast)
    near = (away <= _RIM).astype(np.float32)
    alpha = np.array(cv2.GaussianBlur(near, (0, 0), feather) if feather > 0 else near, np.float32)
    alpha[~known & ~inner] = 0
    blended = here + alpha[..., None] * (fitted - here)
    result[area] = np.rint(np.clip(blended, 0, 255)).astype(np.uint8)
    mask[area] = inner
    return result, mask


def _in_this_light(there: np.ndarray, here: np.ndarray, ring: np.ndarray, width: float, contrast: float) -> np.ndarray:
    """The shot's pixels `there` (h, w, 3) as they would look `here`: scaled by the ratio of the means over the ring
    (h, w) bool, and shifted by what then remains of the difference there, smoothed over `width` px."""
    if ring.sum() < 8:
        return there
    levels = there[ring].mean(axis=0)
    light = np.clip(here[ring].mean(axis=0) / np.maximum(levels, 1.0), *_LIGHT)
    lit = light * (levels + contrast * (there - levels))
    weight = ring.astype(np.float32)
    rest = np.clip(here - light * there, -_SHADE, _SHADE) * weight[..., None]
    return lit + _smoothed(rest, width) / np.maximum(_smoothed(weight, width), 1e-3)[..., None]


def _smoothed(plane: np.ndarray, width: float) -> np.ndarray:
    """Gaussian of sigma `width` px; wide ones on a coarser grid, which shows in nothing but the time."""
    step = max(1, int(width / 4))
    size = (-(-plane.shape[1] // step), -(-plane.shape[0] // step))
    small = plane if step == 1 else cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), width / step, borderType=cv2.BORDER_CONSTANT)
    return small if step == 1 else cv2.resize(small, plane.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _canvas(crop: DefectCrop, pose: Pose, margin: int, shape: tuple[int, ...]) -> tuple[int, int, tuple[int, int]]:
    """(top, left, (rows, columns)) of the part of a good image of `shape` (H, W, ...) around the laid defect."""
    top, left, bottom, right = crop.box
    corners = np.array([[top, left], [top, right - 1], [bottom - 1, left], [bottom - 1, right - 1]])
    spread = pose.at(corners, crop)
    low = np.maximum(np.floor(spread.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(spread.max(axis=0)).astype(int) + margin + 1, shape[:2])
    return int(low[0]), int(low[1]), (int(high[0] - low[0]), int(high[1] - low[1]))
