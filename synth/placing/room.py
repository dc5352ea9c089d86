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

    A twentieth of the defect may be lost beyond the border, a tenth of one that its shot's border cut off: four fifths
    of where that happened have to lie beyond the border here, too, the one that faces the same way after the turn."""
    top, left, bottom, right = crop.box
    corners = np.array([[top, left], [top, right - 1], [bottom - 1, left], [bottom - 1, right - 1]])
    centred = Pose(0, 0, pose.degrees, pose.mirrored, pose.scale)
    spread = centred.at(corners, crop)
    low, high = spread.min(axis=0), spread.max(axis=0)
    pitch = np.array(shape[:2]) / size[:2]
    axes = [(np.arange(n) + 0.5) * step - 0.5 for n, step in zip(size[:2], pitch, strict=True)]
    play = np.maximum(_OUTSIDE * (high - low), 1.5 * pitch)
    lost = play * (2 if len(crop.contacts) else 1)
    rows, columns = ((at + low[k] >= -lost[k]) & (at + high[k] <= shape[k] - 1 + lost[k]) for k, at in enumerate(axes))
    room = rows[:, None] & columns[None, :]
    if len(crop.contacts):
        cut = np.zeros(room.shape, np.float32)
        for axis, way, point in _ways_out(crop, centred):
            at = axes[axis] + point
            beyond = at > shape[axis] - 1 - play[axis] if way > 0 else at < play[axis]
            cut += beyond[:, None] if axis == 0 else beyond[None, :]
        room &= cut >= _LEAST_CUT * len(crop.contacts)
    return room


def reaching(crop: DefectCrop, pose: Pose, shape: tuple[int, ...]) -> Pose:
    """The pose moved outwards until what its shot's border cut off reaches the border of an image of `shape` (H, W,
    ...): a search stops within its grid's play of it, and would leave a defect with a straight end on the part."""
    moves = np.zeros((2, 2))
    for axis, way, point in _ways_out(crop, pose):
        gap = shape[axis] - point if way > 0 else point + 1
        moves[axis, int(way > 0)] = max(moves[axis, int(way > 0)], gap)
    rows, columns = moves[:, 1] - moves[:, 0]
    return pose.moved(float(rows), float(columns))


def _ways_out(crop: DefectCrop, pose: Pose) -> list[tuple[int, float, float]]:
    """For every contact under a pose: the axis along which it leaves the image, which way (1 or -1), and where it lies
    along that axis."""
    places = pose.at(crop.contacts, crop)
    turned = (crop.outward[:, ::-1] @ pose.matrix().T)[:, ::-1]
    axes = np.abs(turned).argmax(axis=1)
    return [(int(k), float(np.sign(way[k])), float(at[k])) for k, way, at in zip(axes, turned, places, strict=True)]
