"""Whether a drawn sample's labels are true: inside every instance something changed, outside them nothing did."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from synth.sample import Sample

INSIDE = 0.9
"""Least share of an instance that must have changed."""
SMOOTHED = 0.8
"""The same of its image mask, whose outline neighbours vote on."""
SLACK = 2
"""Pixels, or spacings of a cloud, around an instance in which changes may stay."""
SAME_NORMAL = 1e-6
"""Rounding of a unit normal."""
RIM = 3.0
"""Spacings from a removed point up to which a point that stays may count as its rim."""


def lies(good: Sample, made: Sample, partial: bool = False) -> list[str]:
    """What is not true of the labels of a sample that was drawn onto `good`; empty where all is. Of a `partial` view
    whole sides are gone, which no label shows."""
    return _scan_lies(good, made) if good.xyz is not None else _cloud_lies(good, made, partial)


def _scan_lies(good: Sample, made: Sample) -> list[str]:
    masks = made.provenance.masks
    moved, repainted = (made.xyz != good.xyz).any(-1), (made.image != good.image).any(-1)
    found = []
    for number, instance in enumerate(made.provenance.instances, start=1):
        own = masks.number == number
        parts = {
            "core": (own & masks.core, moved | repainted, INSIDE),
            "geometry": (own & masks.geometry, moved, INSIDE),
            "image": (own & masks.image, repainted, SMOOTHED),
        }
        for name, (where, changed, least) in parts.items():
            if where.any() and changed[where].mean() < least:
                found.append(f"{instance.type} {number}: {changed[where].mean():.0%} of its {name} changed")
        if not parts["core"][0].any():
            found.append(f"{instance.type} {number} has no core")
        if own.sum() != instance.parameters["area_px"]:
            found.append(f"{instance.type} {number} has {own.sum()} px, recorded {instance.parameters['area_px']}")
    if not np.array_equal(made.mask, masks.number > 0) or not np.array_equal(made.mask, masks.geometry | masks.image):
        found.append("the masks disagree")
    near = ndimage.binary_dilation(made.mask, np.ones((3, 3)), iterations=SLACK)
    outside = int(((moved | repainted) & ~near).sum())
    return [*found, f"{outside} px changed outside"] if outside else found


def _cloud_lies(good: Sample, made: Sample, partial: bool) -> list[str]:
    masks, points = made.provenance.masks, good.cloud.points
    tree = cKDTree(points)
    spacing = float(np.median(tree.query(points, 2)[0][:, 1]))
    changed = (made.cloud.points != points[masks.source]).any(1)
    if good.cloud.colors is not None:
        changed |= (made.cloud.colors != good.cloud.colors[masks.source]).any(1)
    stays = np.isin(np.arange(len(points)), masks.source)
    # Of what a cut takes, some points come back on the new face.
    cuts = [k for k, instance in enumerate(made.provenance.instances, 1) if instance.type in ("chip", "cut")]
    stays[masks.source[changed & np.isin(masks.number, cuts)]] = False
    removed = points[~stays]
    rim = np.zeros(len(changed), bool)
    if len(removed):
        rim = np.isfinite(cKDTree(removed).query(made.cloud.points, distance_upper_bound=RIM * spacing)[0])
    found = []
    for number, instance in enumerate(made.provenance.instances, start=1):
        own = masks.number == number
        if not own.any() or (changed | rim)[own].mean() < INSIDE:
            share = (changed | rim)[own].mean() if own.any() else 0
            found.append(f"{instance.type} {number}: {share:.0%} of its {own.sum()} points changed")
        if own.sum() != instance.parameters["points"]:
            found.append(f"{instance.type} {number} has {own.sum()} points, recorded {instance.parameters['points']}")
    labels = masks.number > 0
    if not np.array_equal(made.cloud.labels, labels):
        found.append("labels and numbers disagree")
    if (changed & ~labels).any():
        found.append(f"{(changed & ~labels).sum()} points changed outside")
    turned = np.abs(made.cloud.normals - good.cloud.normals[masks.source]).max(1) > SAME_NORMAL
    if (turned & ~labels).any():
        found.append(f"{(turned & ~labels).sum()} normals turned outside")
    beside = 0 if partial else _unlabelled_gaps(points, stays, masks.source[labels], removed, spacing)
    return [*found, f"{beside} points removed outside"] if beside else found


def _unlabelled_gaps(
    points: np.ndarray, stays: np.ndarray, labelled: np.ndarray, removed: np.ndarray, spacing: float
) -> int:
    """Removed points whose nearest point that stays is further than SLACK spacings from any labelled one."""
    if not len(removed):
        return 0
    left = points[stays]
    border = left[cKDTree(left).query(removed)[1]]
    return int((cKDTree(points[labelled]).query(border)[0] > SLACK * spacing).sum())
