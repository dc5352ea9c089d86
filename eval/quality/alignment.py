"""Is one defect the pixels of another, moved? Both are laid on each other, turned, mirrored, scaled and lit as needed,
and what is left is one number: how far what they show inside their masks correlates.

A coarse search over ways to lay them finds where to begin; enhanced correlation (Evangelidis and Psarakis 2008) then
aligns them to a fraction of a pixel, whatever their light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from synth.errors import EvalError

SIDE, COARSE = 96, 32
_SPREADS = 4.5
_TURNS = 24
_SCALES = (0.87, 1.0, 1.15)
_CUT_TRIED = 6
_ELONGATED = 2.0
_BORDER = 3
_BLUR = 0.8
_TRIED = 3
_ALIGNED = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-4)
_STRETCHED = (0.7, 1.45)
_OVERLAP, _OVERLAP_CUT = 0.65, 0.3
"""Share of the larger mask that both have to cover, and of the first where the border cuts it off."""
_ROWS, _COLUMNS = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].reshape(2, -1)
_SMOOTH = np.stack([_ROWS**0, _ROWS, _COLUMNS, _ROWS**2, _ROWS * _COLUMNS, _COLUMNS**2], axis=1)


@dataclass(frozen=True, eq=False)
class Frame:
    """A defect in its own frame: contrast to its surroundings and mask, (SIDE, SIDE) float32 each, centred on the mask,
    its long axis lying flat, a few times its spread wide. pitch: px of the image a cell; cut: the image's border cuts
    it off; elongated: its long axis is at least twice its short one."""

    contrast: np.ndarray
    mask: np.ndarray
    pitch: float
    cut: bool
    elongated: bool

    @property
    def vectors(self) -> np.ndarray:
        """What is seen and the mask, coarse, as unit vectors: (2, COARSE^2) float32."""
        return np.stack([_unit(_small(plane)).ravel() for plane in (self.contrast * self.mask, self.mask)])

    @cached_property
    def ways(self) -> np.ndarray:
        """The same in all turns, first as it is, then mirrored: (2 * _TURNS, 2, COARSE^2)."""
        return turned(self)


def frame_of(image: np.ndarray, mask: np.ndarray) -> Frame:
    """The frame of a defect; image (H, W, 3) uint8, mask (H, W) bool. EvalError for an empty mask."""
    if not mask.any():
        raise EvalError("a mask is empty: there is no defect to look for; leave good images out")
    rows, columns = np.nonzero(mask)
    cut = min(rows.min(), columns.min()) < _BORDER or (
        rows.max() >= mask.shape[0] - _BORDER or columns.max() >= mask.shape[1] - _BORDER
    )
    points = np.stack([columns, rows]).astype(float)
    spread, axes = np.linalg.eigh((np.cov(points) if rows.size > 1 else np.zeros((2, 2))) + np.eye(2) / 12)
    pitch = max(_SPREADS * float(np.sqrt(spread.sum())), 8.0) / SIDE
    along = axes[:, 1] * pitch
    linear = np.column_stack([along, [-along[1], along[0]]])
    back = np.column_stack([linear, points.mean(axis=1) - linear @ np.full(2, (SIDE - 1) / 2)])
    near = tuple(slice(max(0, int(hit.min()) - 6), int(hit.max()) + 7) for hit in (rows, columns))
    ring = cv2.dilate(mask[near].astype(np.uint8), np.ones((9, 9))) > mask[near]
    grey = image.mean(axis=2, dtype=np.float32)
    level = float(np.median(grey[near][ring])) if ring.any() else float(grey.mean())
    # Whichever is pasted was resampled: the finest detail is lost in one of the two, and so left out in both.
    soft = cv2.GaussianBlur(grey, (0, 0), max(_BLUR, pitch / 2))
    contrast, inside = (
        cv2.warpAffine(plane, back, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=mode)
        for plane, mode in ((soft - level, cv2.BORDER_REPLICATE), (mask.astype(np.float32), cv2.BORDER_CONSTANT))
    )
    return Frame(contrast, inside, pitch, bool(cut), bool(spread[1] >= _ELONGATED**2 * spread[0]))


def turned(frame: Frame) -> np.ndarray:
    """A frame's vectors in all turns, first as it is, then mirrored: (2 * _TURNS, 2, COARSE^2) float32."""
    small = [_small(plane) for plane in (frame.contrast * frame.mask, frame.mask)]
    return np.stack([[_unit(_turned(plane, way)).ravel() for plane in small] for way in range(2 * _TURNS)])


def likest(frame: Frame, others: Sequence[Frame]) -> tuple[int, float]:
    """Index of the other whose pixels this one's resemble most, and their correlation; `others` not empty."""
    starts = _by_moments(frame, others)
    if frame.cut:
        starts += _by_shift(frame, others)
    found = [(_aligned(frame, others[index], start), index) for index, start in starts]
    similarity, index = max(found)
    return index, similarity


def _by_moments(frame: Frame, others: Sequence[Frame]) -> list[tuple[int, np.ndarray]]:
    """The likeliest few others with the way to lay them, (2, 3) from cells of `frame` to theirs: by their frames."""
    mine = frame.vectors
    scores = np.stack([np.einsum("wpc,pc->wp", other.ways, mine).min(axis=1) for other in others])
    order = np.argsort(-scores, axis=1)[:, :2]
    chosen = [(scores[index, way], index, int(way)) for index, ways in enumerate(order) for way in ways]
    return [(index, _way(way)) for _, index, way in sorted(chosen, reverse=True)[: 2 * _TRIED]]


def _by_shift(frame: Frame, others: Sequence[Frame]) -> list[tuple[int, np.ndarray]]:
    """The same for a defect that the border cuts off, of which a part is compared: by scale and shift as well."""
    mine = np.fft.rfft2(_unit(_small(frame.contrast * frame.mask)))
    found = []
    cut = [index for index, other in enumerate(others) if other.cut]
    # Pasted at their own size or nearly so, the likeliest are those that are as wide.
    cut.sort(key=lambda index: abs(np.log(_breadth(others[index]) / _breadth(frame))))
    for index in cut[:_CUT_TRIED]:
        other = others[index]
        ways = range(0, 2 * _TURNS, _TURNS // 2 if frame.elongated else 2)
        starts = [_way(way, frame.pitch / (other.pitch * scale)) for way in ways for scale in _SCALES]
        laid = np.stack([_unit(_small(_laid(other.contrast * other.mask, start))) for start in starts])
        overlap = np.fft.irfft2(np.conj(np.fft.rfft2(laid)) * mine, s=(COARSE, COARSE)).reshape(len(starts), -1)
        best = int(overlap.max(axis=1).argmax())
        down, right = np.unravel_index(int(overlap[best].argmax()), (COARSE, COARSE))
        shift = (np.array([right, down]) + COARSE // 2) % COARSE - COARSE // 2
        start = starts[best].copy()
        start[:, 2] -= start[:, :2] @ (shift * SIDE / COARSE)
        found.append((float(overlap[best].max()), index, start))
    return [(index, start) for _, index, start in sorted(found, key=lambda one: -one[0])[:_TRIED]]


def _aligned(frame: Frame, other: Frame, start: np.ndarray) -> float:
    """The correlation of two defects inside both masks, aligned from `start` on; 0 where hardly anything overlaps."""
    inside = (cv2.dilate(frame.mask, np.ones((5, 5))) > 0.3).astype(np.uint8)
    begin = start.astype(np.float32)
    try:
        found = cv2.findTransformECC(frame.contrast, other.contrast, begin, cv2.MOTION_AFFINE, _ALIGNED, inside, 3)[1]
    except cv2.error:  # it did not converge
        return _correlation(frame, other, start)
    warp = np.asarray(found, np.float32)
    change = np.linalg.svd(warp[:, :2] @ np.linalg.inv(start[:, :2]), compute_uv=False)
    if change[1] < _STRETCHED[0] or change[0] > _STRETCHED[1]:
        return _correlation(frame, other, start)
    return max(_correlation(frame, other, warp), _correlation(frame, other, start))


def _correlation(frame: Frame, other: Frame, warp: np.ndarray) -> float:
    """The correlation of what two defects show inside both masks besides light that varies smoothly, as a plane or a
    bowl; 0 where hardly anything overlaps."""
    theirs = _laid(other.mask, warp)
    weight = frame.mask * theirs
    total, own = float(weight.sum()), float(frame.mask.sum())
    if total < (_OVERLAP_CUT * own if frame.cut and other.cut else _OVERLAP * max(own, float(theirs.sum()))):
        return 0.0
    weights = (weight / total).ravel()
    planes = np.stack([frame.contrast.ravel(), _laid(other.contrast, warp, cv2.BORDER_REPLICATE).ravel()], axis=1)
    weighted = _SMOOTH * weights[:, None]
    light = np.linalg.solve(_SMOOTH.T @ weighted + 1e-7 * np.eye(_SMOOTH.shape[1]), weighted.T @ planes)
    mine, theirs = (planes - _SMOOTH @ light).T
    power = float((weights * mine * mine).sum() * (weights * theirs * theirs).sum())
    return float((weights * mine * theirs).sum() / np.sqrt(power)) if power > 1e-6 else 0.0


def _breadth(frame: Frame) -> float:
    """Mean width across the long axis, px of the image."""
    return float(frame.mask.sum() / max((frame.mask.max(axis=0) > 0.5).sum(), 1)) * frame.pitch


def _way(way: int, scale: float = 1.0) -> np.ndarray:
    """The map (2, 3) from the cells of a frame to those of another that is turned by way * 15 degrees, mirrored from
    way = 24 on, and scaled about the middle."""
    angle = 2 * np.pi * (way % _TURNS) / _TURNS
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if way >= _TURNS:
        turn = np.diag([-1.0, 1.0]) @ turn
    middle = np.full(2, (SIDE - 1) / 2)
    return np.column_stack([turn, middle - turn @ middle])


def _turned(plane: np.ndarray, way: int) -> np.ndarray:
    """A coarse plane (COARSE, COARSE) laid by `_way`."""
    start = _way(way)
    middle = np.full(2, (COARSE - 1) / 2)
    start[:, 2] = middle - start[:, :2] @ middle
    return cv2.warpAffine(plane, start, (COARSE, COARSE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _laid(plane: np.ndarray, warp: np.ndarray, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(plane, warp, (SIDE, SIDE), flags=flags, borderMode=border)


def _small(plane: np.ndarray) -> np.ndarray:
    return cv2.resize(plane, (COARSE, COARSE), interpolation=cv2.INTER_AREA)


def _unit(plane: np.ndarray) -> np.ndarray:
    return plane / max(float(np.linalg.norm(plane)), 1e-6)
