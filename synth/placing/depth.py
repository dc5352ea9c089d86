"""How deep a defect goes, and smoothing that does not look beyond a region; of arrays (h, w[, C]) alone.

The change that a defect makes to a surface, smoothed inside its mask at a quarter of its half width, is its depth: what
is finer is grain, the defect's own or the surface's. Depth can be multiplied without touching the grain.
"""

from __future__ import annotations

import cv2
import numpy as np

_SHARE, _LEAST = 0.25, 0.5


def half_width(mask: np.ndarray) -> float:
    """Distance in px from the deepest pixel of a mask (h, w) bool to its edge, half a px for a line of one px."""
    inside = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(inside.max()) - 0.5


def thickness(mask: np.ndarray) -> float:
    """Typical width in px of a mask (h, w) bool, not empty: exact for a strip, 4/3 of the radius for a disc."""
    inside = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return 4 * float((inside[inside > 0] - 0.5).mean()) + 0.5


def coarseness(half: float) -> float:
    """Sigma in px that takes the grain off a defect of this half width and leaves its shape."""
    return max(_LEAST, _SHARE * half)


def smoothed(plane: np.ndarray, width: float) -> np.ndarray:
    """Gaussian of sigma `width` px; wide ones on a coarser grid, which shows in nothing but the time."""
    step = max(1, int(width / 4))
    size = (-(-plane.shape[1] // step), -(-plane.shape[0] // step))
    small = plane if step == 1 else cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), width / step, borderType=cv2.BORDER_CONSTANT)
    return small if step == 1 else cv2.resize(small, plane.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def smoothed_within(plane: np.ndarray, region: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the pixels (h, w, C) of a region (h, w) bool around each place, and how much of it lies there (h, w, 1)
    in [0, 1]."""
    weight = region.astype(np.float32)[..., None]
    seen = smoothed(weight, width).reshape(weight.shape)
    return smoothed(plane * weight, width).reshape(plane.shape) / np.maximum(seen, 1e-3), seen


def deepened(defect: np.ndarray, ground: np.ndarray, mask: np.ndarray, contrast: float) -> np.ndarray:
    """The defect (h, w, 3) float with `contrast` times its difference to the `ground` (h, w, 3) that it lies on; below
    1 it fades into it, above 1 only its depth grows, since more grain would be noise. mask (h, w) bool, not empty."""
    if contrast <= 1:
        return ground + contrast * (defect - ground)
    depth, _ = smoothed_within(defect - ground, mask, coarseness(half_width(mask)))
    return defect + (contrast - 1) * depth
