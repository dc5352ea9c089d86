"""Where a defect has room: inside the image, and cut off by its border where the shot's border cut it off."""

from __future__ import annotations

import numpy as np

from synth.placing.crop import DefectCrop
from synth.placing.pose import Pose

_OUTSIDE = 0.05
_LEAST_CUT = 0.8


def has_room(crop: DefectCrop, pose: Pose, size: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """For an image of `shape` (H, W, ...) seen on a grid of `size` (h, w): whether the crop's middle may lie on each of
    its pixels under the pose's turn, scale and mirroring; (h, w) bool.

    A twentieth of the defect may be lost beyond the border, a fifth of one that its shot's border cut off: four fifths
    of where that happened have to lie beyond the border here, too."""
    top, left, bottom, right = crop.box
    corners = np.array([[top, left], [top, right - 1], [bottom - 1, left], [bottom - 1, right - 1]])
    centred = Pose(0, 0, pose.degrees, pose.mirrored, pose.scale)
    spread = centred.at(corners, crop)
    low, high = spread.min(axis=0), spread.max(axis=0)
    pitch = np.array(shape[:2]) / size[:2]
    axes = [(np.arange(n) + 0.5) * step - 0.5 for n, step in zip(size[:2], pitch, strict=True)]
    play = np.maximum(_OUTSIDE * (high - low), 1.5 * pitch)
    lost = play * (4 if len(crop.contacts) else 1)
    rows, columns = ((at + low[k] >= -lost[k]) & (at + high[k] <= shape[k] - 1 + lost[k]) for k, at in enumerate(axes))
    room = rows[:, None] & columns[None, :]
    if len(crop.contacts):
        cut = np.zeros(room.shape, np.float32)
        for point in centred.at(crop.contacts, crop):
            beyond = [(at + point[k] < play[k]) | (at + point[k] > shape[k] - 1 - play[k]) for k, at in enumerate(axes)]
            cut += beyond[0][:, None] | beyond[1][None, :]
        room &= cut >= _LEAST_CUT * len(crop.contacts)
    return room
