"""What the gallery page shows of geometry: a normal map, and a small cloud that the page can turn."""

from __future__ import annotations

import base64

import numpy as np

from synth.dual.frame import normals
from synth.io.thumbnails import Box
from synth.sample import Cloud

MOST_POINTS = 2000
"""Points of a cloud on the page, at 8 bytes each."""


def normal_map(xyz: np.ndarray) -> np.ndarray:
    """An organised cloud (H, W, 3) as an image of its normals, uint8 (H, W, 3); grey where nothing is known."""
    return np.uint8(127.5 + 127.5 * normals(xyz, xyz[..., 2] > 0, 1.5))


def of_pixels(xyz: np.ndarray, image: np.ndarray, mask: np.ndarray, box: Box) -> str:
    """`packed` for the part of an organised cloud that lies in the box of its image."""
    place = (slice(box.top, box.top + box.height), slice(box.left, box.left + box.width))
    points, tone, labels = xyz[place].reshape(-1, 3), image[place].mean(-1).ravel(), mask[place].ravel()
    valid = points[:, 2] > 0
    # The page's y points up and its z towards the viewer; the camera's do not.
    return packed(points[valid] * np.array([1, -1, -1], np.float32), tone[valid], labels[valid])


def of_cloud(cloud: Cloud) -> str:
    """`packed` for an unorganised cloud, lit from above."""
    lamp = np.array([0.35, 0.3, 0.89], np.float32)
    tone = 150 + 90 * (cloud.normals @ lamp) if cloud.normals is not None else np.full(len(cloud.points), 170)
    labels = cloud.labels if cloud.labels is not None else np.zeros(len(cloud.points), bool)
    return packed(cloud.points, tone, labels)


def packed(points: np.ndarray, tone: np.ndarray, labels: np.ndarray) -> str:
    """Base64 of MOST_POINTS records at most: x, y, z as int16 within the cloud's largest extent, tone 0..255, label 0
    or 1. Labelled points are kept up to half of the places."""
    if len(points) == 0:
        return ""
    marked, plain = np.flatnonzero(labels), np.flatnonzero(~labels)
    marked = _evenly(marked, MOST_POINTS // 2)
    kept = np.concatenate([_evenly(plain, MOST_POINTS - len(marked)), marked])
    centred = points - (points.min(0) + points.max(0)) / 2
    extent = max(float(np.abs(centred).max()), 1e-12)
    rows = np.zeros(len(kept), [("place", "<i2", 3), ("tone", "u1"), ("label", "u1")])
    rows["place"] = np.rint(centred[kept] / extent * 32000)
    rows["tone"] = np.clip(tone[kept], 0, 255)
    rows["label"] = labels[kept]
    return base64.b64encode(rows.tobytes()).decode()


def _evenly(indices: np.ndarray, most: int) -> np.ndarray:
    return indices if len(indices) <= most else indices[np.linspace(0, len(indices) - 1, most).astype(int)]
