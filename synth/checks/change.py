"""What of a sample differs from the good one it started from, by pixel or by point."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from synth.io.extent import extent
from synth.sample import Cloud, Origin, Provenance, Sample

SMOOTHING = 1.0
"""Sigma in px: single noisy pixels do not count as change."""
LEAST_SHIFT = 2.5e-5
"""Metres of displacement that count as visible at least, also where depth has no noise."""
STRONGEST = 255.0
LEAST_MOVE = 1e-6
"""Displacement of a point of a cloud that counts as change, as a share of the cloud's diagonal."""
RIM = 3.0
"""Around points that were removed, labelled points within this many spacings count as changed: they are the rim."""


def difference(image: np.ndarray, start: np.ndarray) -> np.ndarray:
    """max over channels of |image - start| in grey levels, float32 (H, W); both uint8 (H, W, 3)."""
    return np.abs(image.astype(np.int16) - start).max(axis=2).astype(np.float32)


def smoothed(change: np.ndarray) -> np.ndarray:
    """A map of change (H, W) smoothed by a Gaussian of sigma SMOOTHING."""
    return ndimage.gaussian_filter(change, SMOOTHING)


def change_map(image: np.ndarray, start: np.ndarray) -> np.ndarray:
    """`difference`, smoothed."""
    return smoothed(difference(image, start))


def difference_between(sample: Sample, start: Origin, floor: float) -> np.ndarray | None:
    """The larger of the image's `difference` and the geometry's, (H, W) float32; None where neither is known.

    A displacement as large as the depth noise (LEAST_SHIFT at least) counts as `floor` grey levels, and so in
    proportion up to STRONGEST; a pixel that gained or lost its depth counts as STRONGEST."""
    found = None
    if sample.image is not None and start.image is not None and sample.image.shape == start.image.shape:
        found = difference(sample.image, start.image)
    if sample.xyz is None or start.xyz is None or sample.xyz.shape != start.xyz.shape:
        return found
    shift = np.linalg.norm(sample.xyz - start.xyz, axis=2)
    moved = np.minimum(floor * shift / max(start.depth_noise, LEAST_SHIFT), STRONGEST).astype(np.float32)
    moved[(sample.xyz[..., 2] > 0) != (start.xyz[..., 2] > 0)] = STRONGEST
    return moved if found is None else np.maximum(found, moved)


def changed_points(cloud: Cloud, made: Provenance) -> np.ndarray | None:
    """Points (N,) bool of a generated cloud that moved, changed colour or line the rim of what was removed; None where
    the provenance does not say which good point each came from."""
    start = None if made.start is None else made.start.cloud
    source = None if made.masks is None else made.masks.source
    if start is None or source is None:
        return None
    diagonal = extent(start.points).diagonal
    changed = np.linalg.norm(cloud.points - start.points[source], axis=1) > LEAST_MOVE * diagonal
    if cloud.colors is not None and start.colors is not None:
        changed |= (cloud.colors != start.colors[source]).any(axis=1)
    gone = np.ones(len(start.points), bool)
    gone[source] = False
    if gone.any() and cloud.labels is not None:
        tree = cKDTree(start.points)
        spacing = float(np.median(tree.query(start.points[:: max(1, len(start.points) // 1000)], 2)[0][:, 1]))
        near = cKDTree(start.points[gone]).query(cloud.points, distance_upper_bound=RIM * spacing)[0]
        changed |= np.isfinite(near) & cloud.labels
    return changed
