"""Tidying of regions, (h, w) bool, as every estimate of a foreground needs it."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def dilated(region: np.ndarray, times: int) -> np.ndarray:
    """All within `times` steps up, down, left or right of the region."""
    return cv2.dilate(region.astype(np.uint8), _CROSS, iterations=times) > 0


def eroded(region: np.ndarray, times: int) -> np.ndarray:
    """What lies deeper than `times` such steps in the region; the border of the image counts as inside."""
    return cv2.erode(region.astype(np.uint8), _CROSS, iterations=times) > 0


def opened(region: np.ndarray, radius: int) -> np.ndarray:
    """What a disc of `radius` px reaches within the region; the image is continued beyond its border, so that a product
    that leaves the frame keeps its edge."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = np.pad(region, 2 * radius, mode="edge").astype(np.uint8)
    return cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[2 * radius : -2 * radius, 2 * radius : -2 * radius] > 0


def closed(region: np.ndarray, radius: int) -> np.ndarray:
    """The region with its gaps and bays narrower than a disc of `radius` px."""
    return ~opened(~region, radius)


def filled(region: np.ndarray) -> np.ndarray:
    """The region with its holes, which are those that do not reach the border of the image."""
    outside = np.pad(~region, 1, constant_values=True).astype(np.uint8)
    labels = cv2.connectedComponents(outside, connectivity=4)[1]
    return (labels != labels[0, 0])[1:-1, 1:-1]


def tidy(product: np.ndarray) -> np.ndarray:
    """Without specks below a fiftieth of the largest piece, small holes closed."""
    product = opened(product, 1)
    labels, count = ndimage.label(product)
    if count == 0:
        return product
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    product = (areas >= areas.max() / 50)[labels]
    holes, count = ndimage.label(filled(product) & ~product)
    small = np.bincount(holes.ravel()) < product.sum() / 300
    small[0] = False
    return product | small[holes]


def largest(region: np.ndarray) -> np.ndarray:
    """The largest connected piece."""
    labels, count = ndimage.label(region)
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count else region


def depth(region: np.ndarray) -> np.ndarray:
    """Distance of each pixel of the region to the nearest pixel outside, px; the image's border is no outside."""
    if region.all():
        return np.full(region.shape, np.inf, np.float32)
    return cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def deep(region: np.ndarray) -> np.ndarray:
    """What lies at least half as deep in a region as the widest disc that fits there; thin parts too."""
    depths = depth(region)
    width = np.zeros_like(depths)
    radius = float(depths.max())
    while 1 <= radius < np.inf:
        reached = (depth(depths < radius) <= radius) & (width == 0)
        width[reached] = radius
        radius *= 0.8
    return region & (width > 0) & (depths >= width / 2)
