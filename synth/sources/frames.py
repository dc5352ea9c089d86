"""In which frame a scan is given: found from how its coordinates run over the grid, and turned to the camera frame.

Through a pinhole x / z runs straight over the columns and y / z over the rows; under parallel rays x and y do so
themselves. That says which axis is which, with signs; where none fits, the scan is in a frame of its own, such as a
robot's, and the projection matrix that maps its points to their pixels says where the camera stood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from synth.io.camera import CLEARLY, OFF_RAY, SURE, Camera, Raster, camera_of, raster_of, some_pixels

OFF_GRID = 0.3
"""Deviation in px up to which parallel rays are believed: through a pinhole something flat is a regular grid, too, but
for what its relief adds."""
AHEAD = 0.99
"""Share of the points that lie before the camera, at least: a few may be strays."""
STANDOFF = 5
"""Widths of an orthographic scan at which it is put before the sensor, so that its depths are positive."""
AGREED = 0.02
"""Share of its distance by which two halves of the pixels may see the camera apart."""
PIXELS = 6000
"""Pixels that are looked at."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How a scan is seen. matrix (4, 4): from the file's frame to the camera's, both in the file's unit; `view` in the
    camera's; `off`: largest deviation in px of 99 in 100 pixels."""

    matrix: np.ndarray
    view: Camera | Raster
    off: float

    @property
    def kept(self) -> bool:
        """Whether the file's frame is the camera's."""
        return bool((self.matrix == np.eye(4)).all())

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the file in the camera's frame."""
        return points @ self.matrix[:3, :3].T + self.matrix[:3, 3]


class FrameUnknownError(Exception):
    """No frame fits: what was seen, and what to do."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Points (N, 3) of a scan in the file's frame with the rows and columns (N,) they are at, of a frame of `shape`."""

    points: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, int]


def find_frame(
    points: np.ndarray, valid: np.ndarray, orthographic: bool = False, viewpoint: np.ndarray | None = None
) -> Frame:
    """The frame of a scan (H, W, 3) with its valid pixels (H, W) bool. `orthographic`: its rays are parallel;
    `viewpoint` (3,): where the sensor stood, in the file's frame and unit. FrameUnknownError where none fits,
    SampleError where there are too few pixels to know."""
    seen = Pixels(*some_pixels(points, valid, PIXELS), valid.shape)
    pinhole = None if orthographic else _pinhole(seen, viewpoint)
    if pinhole is not None and pinhole.off <= SURE:
        return pinhole
    raster = _parallel(seen, viewpoint)
    unsure = pinhole is None and (raster is None or raster.off > SURE)
    if unsure and not orthographic and viewpoint is None:
        pinhole = _projected(seen)
    limit = OFF_RAY if orthographic else OFF_GRID if pinhole is None else CLEARLY * pinhole.off
    if raster is not None and raster.off < limit:
        return raster
    if pinhole is not None:
        return pinhole
    if orthographic:
        raise FrameUnknownError("is no regular grid of x and y; leave source.camera out, or give the raw scan")
    if raster is not None:
        raise FrameUnknownError(
            f"is a regular grid of x and y to {raster.off:.1f} px; say source.camera: orthographic if its rays are "
            "parallel, or with source.viewpoint where the camera stood"
        )
    remedy = "say with source.viewpoint where the sensor stood" if viewpoint is None else "check source.viewpoint"
    raise FrameUnknownError(f"does not lie on the rays of one camera in any frame; {remedy}, or give the raw scan")


def turns() -> Iterator[np.ndarray]:
    """The rotations (3, 3) that call the axes otherwise, first the one that changes nothing. A mirrored image shows in
    the signs of focal lengths and pitches."""
    for depth in (2, 1, 0):
        for sign in (1, -1):
            for columns in sorted({0, 1, 2} - {depth}):
                turn = np.zeros((3, 3))
                turn[0, columns] = turn[1, 3 - depth - columns] = 1
                turn[2, depth] = sign
                turn[1] *= np.rint(np.linalg.det(turn))
                yield turn


def _pinhole(seen: Pixels, viewpoint: np.ndarray | None) -> Frame | None:
    """The camera at the origin of the file's frame, or at a viewpoint, whichever way its axes are called; at a
    viewpoint, whichever way it looks."""
    centre = np.zeros(3) if viewpoint is None else viewpoint
    best: Frame | None = None
    for turn in turns():
        frame = _looking(seen, _matrix(turn, -turn @ centre))
        if frame is not None and (best is None or frame.off < best.off - SURE):
            best = frame
        if best is not None and best.off <= SURE:
            return best
    if best is None and viewpoint is not None:
        rays = seen.points - viewpoint
        axes = _camera_axes(_projection(rays / np.linalg.norm(rays, axis=1).mean(), seen), rays)
        return None if axes is None else _looking(seen, _matrix(axes, -axes @ viewpoint))
    return best


def _looking(seen: Pixels, matrix: np.ndarray) -> Frame | None:
    """The pinhole in the frame that a matrix makes, None where it does not fit."""
    moved = seen.points @ matrix[:3, :3].T + matrix[:3, 3]
    ahead = moved[:, 2] > 0
    if ahead.mean() < AHEAD:
        return None
    moved = moved[ahead]
    if min(np.ptp(moved[:, 0] / moved[:, 2]), np.ptp(moved[:, 1] / moved[:, 2])) == 0:
        return None
    view, off = camera_of(moved, seen.rows[ahead], seen.columns[ahead])
    return Frame(matrix, view, off) if off <= OFF_RAY and 0 not in (view.fx, view.fy) else None


def _parallel(seen: Pixels, viewpoint: np.ndarray | None) -> Frame | None:
    """Parallel rays along an axis of the file's frame, the sensor STANDOFF widths away; None where none fits."""
    fits = [(raster_of(seen.points @ turn.T, seen.rows, seen.columns)[1], turn) for turn in turns()]
    off, turn = min(fits, key=lambda fit: fit[0])
    if off > OFF_RAY:
        return None
    if _grows_towards_sensor(seen, turn[2], viewpoint):
        turn = np.diag([1.0, -1.0, -1.0]) @ turn
    moved = seen.points @ turn.T
    low, high = np.percentile(moved[:, 2], (1, 99))
    extent = max(np.percentile(moved[:, k], 99) - np.percentile(moved[:, k], 1) for k in (0, 1))
    view, off = raster_of(moved, seen.rows, seen.columns)
    away = np.array([0, 0, STANDOFF * max(extent, high - low) - (low + high) / 2])
    return Frame(_matrix(turn, away), view, off)


def _grows_towards_sensor(seen: Pixels, axis: np.ndarray, viewpoint: np.ndarray | None) -> bool:
    """Whether values along an axis (3,) are heights rather than depths: they reach down to zero, or lie on the negative
    side of a sensor at the origin."""
    values = seen.points @ axis
    if viewpoint is not None:
        return bool(viewpoint @ axis > np.median(values))
    low, high = np.percentile(values, (1, 99))
    return bool(low < high - low)


def _projected(seen: Pixels) -> Frame | None:
    """The camera of a scan in any frame, from its projection matrix. None where its pixels do not tell it: where it
    does not fit, or two halves of them disagree on where it stood."""
    centre = seen.points.mean(0)
    size = np.linalg.norm(seen.points - centre, axis=1).mean()
    if size == 0:
        return None
    flat = np.column_stack([(seen.points - centre) / size, np.ones(len(seen.points))])
    parts = (slice(None), slice(0, None, 2), slice(1, None, 2))
    whole, *halves = (_projection(flat[part], seen, part) for part in parts)
    places = [_null_point(matrix) for matrix in (whole, *halves)]
    if np.linalg.norm(places[1] - places[2]) > AGREED * np.linalg.norm(places[0]):
        return None
    turn = _camera_axes(whole[:, :3], flat[:, :3] - places[0])
    return None if turn is None else _looking(seen, _matrix(turn, -turn @ (centre + size * places[0])))


def _projection(points: np.ndarray, seen: Pixels, part: slice = slice(None)) -> np.ndarray:
    """The matrix (3, k) that maps points (N, k) to homogeneous pixels, by direct linear transformation (Hartley and
    Zisserman, Multiple View Geometry, 4.1)."""
    middle, scale = np.array(seen.shape[::-1]) / 2, max(seen.shape) / 2
    u, v = (np.stack([seen.columns[part], seen.rows[part]], 1) - middle).T / scale
    none = np.zeros_like(points)
    along_u = np.concatenate([points, none, -u[:, None] * points], 1)
    along_v = np.concatenate([none, points, -v[:, None] * points], 1)
    found = np.linalg.svd(np.concatenate([along_u, along_v]), full_matrices=False)[2][-1]
    pixels = np.array([[scale, 0, middle[0]], [0, scale, middle[1]], [0, 0, 1]])
    return pixels @ found.reshape(3, -1)


def _null_point(projection: np.ndarray) -> np.ndarray:
    """The centre (3,) of a camera, which its projection matrix (3, 4) maps to nothing."""
    x, y, z, w = np.linalg.svd(projection)[2][-1]
    return np.array([x, y, z]) / (w or np.finfo(float).tiny)


def _camera_axes(projection: np.ndarray, rays: np.ndarray) -> np.ndarray | None:
    """The rotation (3, 3) to the camera frame out of a matrix (3, 3) that maps rays (N, 3) to pixels."""
    if np.median(rays @ projection[2]) < 0:
        projection = -projection
    inner, turn = linalg.rq(projection)
    signs = np.sign(np.diag(inner))
    if 0 in signs:
        return None
    turn = signs[:, None] * turn
    if np.linalg.det(turn) < 0:  # a mirrored image
        turn[0] *= -1
    return turn


def _matrix(turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, shift
    return matrix
