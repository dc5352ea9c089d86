"""Images of clouds, drawn in numpy: what a page, a ledger and a contact sheet show of a cloud without an image."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from synth.sample import Cloud

SIDE = 256
GROUND = 236
DIRECTIONS = np.array([(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if x or y or z], float)
SAME_SURFACE = 0.04
"""Distance along the line of sight, over the cloud's extent, up to which two points belong to one surface."""


def rendered(cloud: Cloud, towards: np.ndarray | None = None, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (side, side, 3) and bool (side, side): the cloud seen from `towards` (3,) (from above at a slant by
    default), shaded by its normals, and where its labelled points are seen."""
    view = np.array([0.45, -0.65, 0.6]) if towards is None else np.asarray(towards, float)
    view = view / np.linalg.norm(view)
    up = np.array([0.0, 0.0, 1.0]) if abs(view[2]) < 0.95 else np.array([0.0, 1.0, 0.0])
    right = np.cross(up, view)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(view, right), view])
    points = (cloud.points - cloud.points.mean(0)) @ axes.T
    scale = 0.46 * side / max(np.abs(points[:, :2]).max(), 1e-12)
    columns = np.clip(side / 2 + points[:, 0] * scale, 0, side - 1).astype(int)
    rows = np.clip(side / 2 - points[:, 1] * scale, 0, side - 1).astype(int)
    block = int(np.clip(np.ceil(2.1 * side / np.sqrt(len(points))), 1, 9))
    seen = _nearest(rows, columns, points[:, 2], side, block)
    lamp = (axes.T @ np.array([-0.35, 0.5, 0.8])) / np.linalg.norm([-0.35, 0.5, 0.8])
    normals = cloud.normals if cloud.normals is not None else np.broadcast_to(view, cloud.points.shape)
    tone = 60 + 165 * np.clip(normals @ lamp, 0, 1)
    known = seen >= 0
    image = np.full((side, side, 3), GROUND, np.uint8)
    colours = tone[:, None] * (np.ones(3) if cloud.colors is None else cloud.colors / 255)
    image[known] = colours[seen[known]]
    labels = cloud.labels if cloud.labels is not None else np.zeros(len(points), bool)
    mask = np.zeros((side, side), bool)
    mask[known] = labels[seen[known]]
    return image, mask


def image_of_defect(cloud: Cloud) -> tuple[np.ndarray, np.ndarray]:
    """`rendered` from where the labelled points face; where something hides them from there, from the side of
    DIRECTIONS that shows the most of them."""
    shown = rendered(cloud, facing_defect(cloud))
    if shown[1].any():
        return shown
    return max((rendered(cloud, side) for side in DIRECTIONS), key=lambda pair: int(pair[1].sum()))


def facing_defect(cloud: Cloud) -> np.ndarray:
    """The direction (3,) from which the labelled points of a cloud are seen best, a little aslant."""
    assert cloud.labels is not None
    normals = cloud.normals if cloud.normals is not None else np.zeros_like(cloud.points)
    mean = normals[cloud.labels].sum(0).astype(float)
    if np.linalg.norm(mean) < 1e-6:
        mean = cloud.points[cloud.labels].mean(0) - cloud.points.mean(0)
    return mean / max(np.linalg.norm(mean), 1e-9) + np.array([0.25, -0.2, 0.15])


def _nearest(rows: np.ndarray, columns: np.ndarray, towards: np.ndarray, side: int, block: int) -> np.ndarray:
    """Index (side, side) of the point that each pixel shows, -1 for none: its own, or where it has none or one of a
    surface further back, that of the nearest surface among its neighbours."""
    order = np.argsort(towards, kind="stable")
    depth = np.full((side, side), -np.inf)
    own = np.full((side, side), -1)
    depth[rows[order], columns[order]] = towards[order]
    own[rows[order], columns[order]] = order
    filled = ndimage.maximum_filter(depth, block)
    index = np.where(depth >= filled - SAME_SURFACE * np.ptp(towards), own, -1)
    at = np.arange(side)
    for down in range(-(block // 2), block - block // 2):
        for right in range(-(block // 2), block - block // 2):
            source = (np.clip(at + down, 0, side - 1)[:, None], np.clip(at + right, 0, side - 1)[None])
            index = np.where((index < 0) & (depth[source] == filled) & np.isfinite(filled), own[source], index)
    return index
