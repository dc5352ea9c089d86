"""The scales at which a product's images are searched: coarse for whole images, medium and fine around one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from synth.placing.crop import MARGIN, DefectCrop
from synth.placing.fit import Templates
from synth.placing.pose import Pose

COARSE_SIDE, MEDIUM_SIDE, FINE_SIDE = 96, 320, 640
"""Longer side of a typical image at each scale, px."""


@dataclass(frozen=True, slots=True)
class Level:
    """factor: px here for each px of the image; margin: least width of a ring, px here; gap: how far from the mask the
    ring begins."""

    factor: float
    margin: float
    gap: float


def levels_for(side: int) -> tuple[Level, Level, Level]:
    """Coarse, medium and fine, for images whose longer side is typically `side` px."""
    coarse, medium, fine = (min(1.0, most / side) for most in (COARSE_SIDE, MEDIUM_SIDE, FINE_SIDE))
    return Level(coarse, 6, 1), Level(medium, 10, 2), Level(fine, 10, 2)


def margin_px(levels: Sequence[Level]) -> float:
    """The least margin in px of the image that a crop needs for every level."""
    return max(level.margin / level.factor for level in levels)


def resized(image: np.ndarray, factor: float) -> np.ndarray:
    """(H, W[, C]) as float32 by area average; factor <= 1."""
    exact = image.astype(np.float32)  # whole numbers would lose what a dark image shows
    if factor >= 1:
        return exact
    height, width = (max(1, round(n * factor)) for n in image.shape[:2])
    return cv2.resize(exact, (width, height), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True, eq=False)
class LevelCrop:
    """A crop at one level: planes (h, w, C) float32; ring (h, w) float32, 1 where the surroundings count; centre: the
    pixel (row, column) nearest to the crop's centre, and offset (2,) from there to it; reach: px from there that the
    ring takes."""

    planes: np.ndarray
    ring: np.ndarray
    centre: np.ndarray
    offset: np.ndarray
    reach: float

    def shift(self, pose: Pose) -> np.ndarray:
        """From the place of the centre pixel to that of the crop's centre under a pose, (rows, columns) in px here."""
        return (pose.matrix() @ self.offset[::-1])[::-1]


def at_level(crop: DefectCrop, planes: np.ndarray, level: Level) -> LevelCrop:
    """The crop, whose image in the product's channels is planes (h, w, C) float32, at a level."""
    width = max(MARGIN * crop.extent * level.factor, level.margin)
    ring = (crop.away > level.gap / level.factor) & (crop.away <= width / level.factor)
    small, ring = resized(planes, level.factor), resized(ring.astype(np.float32), level.factor)
    small = small.reshape(*ring.shape, -1)
    exact = (crop.centre + 0.5) * ring.shape / crop.mask.shape - 0.5
    centre = np.rint(exact)
    corners = np.array([[0, 0], [0, ring.shape[1]], [ring.shape[0], 0], ring.shape]) - centre
    return LevelCrop(small, ring, centre, exact - centre, float(np.hypot(*corners.T).max()))


def templates(crop: LevelCrop, poses: Sequence[Pose]) -> Templates:
    """The ring under each pose's turn, mirroring and scale, on one canvas."""
    half = int(np.ceil(crop.reach * max(pose.scale for pose in poses)))
    turned = [_turned(crop, pose, half) for pose in poses]
    weight = np.stack([(ring > 0.5).astype(np.float32) for ring, _ in turned])
    values = np.stack([np.moveaxis(planes, -1, 0) for _, planes in turned])
    rows, columns = (_kept(weight.max((0, axis)) > 0) for axis in (2, 1))
    return Templates(weight[:, rows, columns], np.ascontiguousarray(values[..., rows, columns]))


def _turned(crop: LevelCrop, pose: Pose, half: int) -> tuple[np.ndarray, np.ndarray]:
    """Ring and planes on a canvas of 2 half + 1 px a side."""
    linear = pose.matrix()
    forward = np.column_stack([linear, np.array([half, half]) - linear @ crop.centre[::-1]])
    size = (2 * half + 1, 2 * half + 1)
    ring = cv2.warpAffine(crop.ring, forward, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    planes = cv2.warpAffine(crop.planes, forward, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return ring, planes.reshape(*ring.shape, -1)


def _kept(used: np.ndarray) -> slice:
    """The lines of a canvas that are used, as many on both sides of its middle."""
    hit = np.flatnonzero(used)
    spare = min(int(hit[0]), len(used) - 1 - int(hit[-1])) if hit.size else len(used) // 2
    return slice(spare, len(used) - spare)
