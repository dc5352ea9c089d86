"""How a defect crop lies on a good image: moved, turned, scaled, mirrored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from synth.placing.crop import DefectCrop


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the middle of a defect's box lies, (row, column) in px of the good image, and how the crop is changed
    about it: mirrored left to right first, scaled, then turned counter-clockwise by `degrees`."""

    row: float
    column: float
    degrees: float = 0.0
    mirrored: bool = False
    scale: float = 1.0

    def matrix(self) -> np.ndarray:
        """The change of direction vectors (column, row) of the crop, (2, 2)."""
        cos, sin = np.cos(np.deg2rad(self.degrees)), np.sin(np.deg2rad(self.degrees))
        turn = self.scale * np.array([[cos, sin], [-sin, cos]])
        return turn @ np.diag([-1.0, 1.0]) if self.mirrored else turn

    def moved(self, rows: float, columns: float) -> Pose:
        return replace(self, row=self.row + rows, column=self.column + columns)

    def at(self, points: np.ndarray, crop: DefectCrop) -> np.ndarray:
        """Where points (n, 2), (row, column) of the crop, lie in the good image."""
        away = (np.asarray(points, float) - crop.centre)[:, ::-1] @ self.matrix().T
        return away[:, ::-1] + (self.row, self.column)


def onto(
    plane: np.ndarray,
    pose: Pose,
    crop: DefectCrop,
    top: int,
    left: int,
    size: tuple[int, int],
    moved: np.ndarray | None = None,
    interpolation: int = cv2.INTER_LINEAR,
) -> np.ndarray:
    """A plane of the crop, (h, w) or (h, w, c) float32, resampled under the pose onto the rows top .. top + size[0] - 1
    and the columns left .. of the good image; 0 where the crop does not reach. moved (h, w, 2): how far each of its
    pixels is moved before, px along rows and columns of the crop; interpolation: of OpenCV."""
    linear = pose.matrix()
    target = np.array([pose.column - left, pose.row - top])
    forward = np.column_stack([linear, target - linear @ crop.centre[::-1]])
    # Shrinking samples every few pixels: smooth over those left out.
    if pose.scale < 0.8:
        plane = cv2.GaussianBlur(plane, (0, 0), 0.4 / pose.scale)
    if moved is None:
        return cv2.warpAffine(plane, forward, size[::-1], flags=interpolation, borderMode=cv2.BORDER_CONSTANT)
    columns, rows = _sources(forward, size, moved)
    return cv2.remap(plane, columns, rows, interpolation, borderMode=cv2.BORDER_CONSTANT)


def _sources(forward: np.ndarray, size: tuple[int, int], moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of the crop, float32 of `size` each, that come to lie on each pixel."""
    back = cv2.invertAffineTransform(forward).astype(np.float32)
    down, right = np.arange(size[0], dtype=np.float32)[:, None], np.arange(size[1], dtype=np.float32)
    columns, rows = (across * right + along * down + start for across, along, start in back)
    shift = cv2.remap(moved, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return columns - shift[..., 1], rows - shift[..., 0]
