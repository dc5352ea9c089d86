"""The ground below a product: a plane of colour through the border of its image, at working size."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

WORK_SIDE = 320
"""Longer side at which foregrounds are estimated, px; smaller images are enlarged to it."""
LEAST_TOLERANCE = 12.0
"""Grey levels that a plain ground may differ from its plane."""
PLAIN_SPREAD = 6.0
"""Largest robust sigma of a border that is plain, grey levels."""
LEAST_SHARE = 0.55
"""Share of the border that has to follow the plane."""
AREA = (0.01, 0.97)
"""Least and most of an image that a product covers beside a ground."""


def at_work_size(image: np.ndarray) -> np.ndarray:
    """`image` (H, W, 3) uint8 with WORK_SIDE as its longer side: float32 (h, w, 3), grey levels."""
    height, width = image.shape[:2]
    scale = WORK_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(image).resize(size, method)).astype(np.float32)


def at_size(region: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A region (h, w) bool at the size of its image, bool `shape`; never empty: all True where it would be."""
    grey = Image.fromarray(region.astype(np.uint8) * 255)
    method = Image.Resampling.BILINEAR if shape[0] > region.shape[0] else Image.Resampling.BOX
    resized = np.asarray(grey.resize((shape[1], shape[0]), method)) > 127
    return resized if resized.any() else np.ones(shape, dtype=bool)


def ring(shape: tuple[int, int]) -> np.ndarray:
    """A band along the border, a fortieth of the shorter side thick; (h, w) bool."""
    thick = max(2, min(shape) // 40)
    band = np.ones(shape, dtype=bool)
    band[thick:-thick, thick:-thick] = False
    return band


def corners(shape: tuple[int, int]) -> np.ndarray:
    """The four corners, each a twelfth of the sides; (h, w) bool."""
    rows, columns = (max(2, n // 12) for n in shape)
    at_end = [np.zeros(n, dtype=bool) for n in shape]
    for line, reach in zip(at_end, (rows, columns), strict=True):
        line[:reach] = line[-reach:] = True
    return at_end[0][:, None] & at_end[1][None, :]


def evened(image: np.ndarray) -> np.ndarray:
    """A small image (h, w, 3) float without single deviating pixels."""
    return cv2.medianBlur(image, 3)


def plane(image: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Colour plane (h, w, 3) through the frame's majority; its residual (robust sigma) and the share that follows it.

    Starts from the median colour and refits three times to the pixels that are near, so a product that touches up to
    some 40 % of the frame does not bend it."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    design = np.stack([np.ones_like(x), x / width - 0.5, y / height - 0.5], axis=-1)
    points, colours = design[frame], image[frame]
    residual = np.abs(colours - np.median(colours, axis=0)).max(axis=-1)
    near = residual <= max(30.0, float(np.median(residual)))
    coefficients = np.zeros((3, 3), dtype=np.float32)
    for _ in range(3):
        coefficients = np.linalg.lstsq(points[near], colours[near], rcond=None)[0]
        residual = np.abs(colours - points @ coefficients).max(axis=-1)
        near = residual <= max(LEAST_TOLERANCE, 3 * 1.4826 * float(np.median(residual)))
        if near.sum() < 3:
            return np.broadcast_to(np.median(colours, axis=0), image.shape), np.inf, 0.0
    share = float((residual <= 2 * LEAST_TOLERANCE).mean())
    return design @ coefficients, 1.4826 * float(np.median(residual[near])), share


def is_plain(spread: float, share: float) -> bool:
    """Whether a border with this residual, of which this share follows its plane, is one of a plain ground."""
    return spread <= PLAIN_SPREAD and share >= LEAST_SHARE
