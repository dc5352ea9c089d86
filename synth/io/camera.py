"""How a sensor sees a grid of points: through a pinhole, or along parallel rays.

Camera frame: metres, x along the columns, y along the rows, z away from the sensor. A focal length or a pitch is
negative where an image is mirrored, or turned by 180 degrees against its cloud.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth.errors import SampleError

LOOKED_AT = 20_000
"""Pixels that a fit looks at, evenly taken."""
OFF_RAY = 2.0
"""Deviation in px from the sensor's rays at which image and cloud no longer belong together. A scan that was resized by
taking the nearest pixels is off by one and a half."""
SURE = 0.05
"""Deviation in px up to which a pinhole is not compared with parallel rays."""
CLEARLY = 0.5
"""Share of the pinhole's deviation below which that of parallel rays must lie."""
SQUARE = 1.01
"""Ratio of two focal lengths up to which pixels count as square."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Pinhole: u = fx x / z + cx, v = fy y / z + cy, in px; pixel (0, 0) has its centre at (0, 0)."""

    fx: float
    fy: float
    cx: float
    cy: float

    @property
    def focal(self) -> tuple[float, float]:
        """Pixels along (rows, columns) that a metre takes at a depth of one metre; equal where pixels are square."""
        down, right = abs(self.fy), abs(self.fx)
        return (right, right) if max(down, right) <= SQUARE * min(down, right) else (down, right)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) metres -> (..., 2) px as (u, v)."""
        depth = points[..., 2]
        u = self.fx * points[..., 0] / depth + self.cx
        return np.stack([u, self.fy * points[..., 1] / depth + self.cy], -1)

    def rays(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Points at z = 1 behind pixels (...); (..., 3)."""
        x, y = (columns - self.cx) / self.fx, (rows - self.cy) / self.fy
        return np.stack([x, y, np.ones_like(x)], -1)


@dataclass(frozen=True, slots=True)
class Raster:
    """Parallel rays: x = pitch_x u + x0, y = pitch_y v + y0, in the unit of the cloud; (u, v) px."""

    pitch_x: float
    pitch_y: float
    x0: float
    y0: float

    def at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """x and y of pixels (...); (..., 2)."""
        return np.stack([self.pitch_x * columns + self.x0, self.pitch_y * rows + self.y0], -1)


def fit_camera(xyz: np.ndarray, valid: np.ndarray) -> tuple[Camera, float]:
    """The pinhole that explains an organised cloud (H, W, 3) best, by least squares over its valid pixels (H, W) bool,
    and the largest deviation in px of 99 in 100 of them. SampleError where there are too few pixels to estimate it."""
    return camera_of(*some_pixels(xyz, valid))


def camera_of(points: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[Camera, float]:
    """`fit_camera` of points (N, 3) in pixels at rows and columns (N,)."""
    ratios = points[:, :2] / points[:, 2:]
    (fx, cx, off_x), (fy, cy, off_y) = (_line(ratios[:, k], pixels) for k, pixels in ((0, columns), (1, rows)))
    return Camera(fx, fy, cx, cy), float(np.percentile(np.hypot(off_x, off_y), 99))


def fit_raster(xyz: np.ndarray, valid: np.ndarray) -> tuple[Raster, float]:
    """The raster of parallel rays along z that explains an organised cloud best, and the largest deviation in px of 99
    in 100 of its valid pixels; infinite where x or y is constant. SampleError as from `fit_camera`."""
    return raster_of(*some_pixels(xyz, valid))


def raster_of(points: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[Raster, float]:
    """`fit_raster` of points (N, 3) in pixels at rows and columns (N,)."""
    if min(np.ptp(points[:, 0]), np.ptp(points[:, 1])) == 0:
        return Raster(0, 0, 0, 0), np.inf
    (fx, cx, off_x), (fy, cy, off_y) = (_line(points[:, k], pixels) for k, pixels in ((0, columns), (1, rows)))
    if fx == 0 or fy == 0:
        return Raster(0, 0, 0, 0), np.inf
    return Raster(1 / fx, 1 / fy, -cx / fx, -cy / fy), float(np.percentile(np.hypot(off_x, off_y), 99))


def fit_view(xyz: np.ndarray, valid: np.ndarray) -> tuple[Camera | Raster, float]:
    """The pinhole or the raster of parallel rays, whichever explains an organised cloud in the camera frame, and its
    deviation in px. A flat thing fits both; it counts as seen through a pinhole. SampleError as from `fit_camera`."""
    camera, off = fit_camera(xyz, valid)
    if off <= SURE:
        return camera, off
    raster, off_raster = fit_raster(xyz, valid)
    return (raster, off_raster) if off_raster < CLEARLY * off else (camera, off)


def some_pixels(xyz: np.ndarray, valid: np.ndarray, most: int = LOOKED_AT) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (N, 3) float64, rows and columns (N,) of valid pixels, evenly taken. SampleError where there are too few
    to know a camera by."""
    rows, columns = np.nonzero(valid)
    if len(rows) < 8 or np.ptp(rows) < 2 or np.ptp(columns) < 2:
        raise SampleError(f"{len(rows)} valid pixels are too few to find the camera; give a cloud with more returns")
    some = slice(None, None, max(1, len(rows) // most))
    rows, columns = rows[some], columns[some]
    return xyz[rows, columns].astype(np.float64), rows, columns


def _line(values: np.ndarray, pixels: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Slope and offset of pixels = slope values + offset by least squares, and the deviations in px."""
    slope, offset = np.polyfit(values - values.mean(), pixels, 1)
    offset -= slope * values.mean()
    return float(slope), float(offset), np.abs(slope * values + offset - pixels)
