"""Normals and tangent frames of an organised cloud.

Camera frame: metres, x right, y down, z forward. Normals are unit and face the camera, n . x < 0.
"""

from __future__ import annotations

import cv2
import numpy as np

from synth.dual.arrays import Array, cross, dot, namespace, norm, slopes, unit

JUMP = 3e-3
"""Least depth step in metres that counts as an edge between surfaces."""


def normals(xyz: np.ndarray, valid: np.ndarray, sigma: float) -> np.ndarray:
    """Unit normals float32 (H, W, 3), (0, 0, 0) where unknown: fewer than 5 of the 9 pixels around are valid, or they
    span a depth step.

    From differences of the cloud under a Gaussian of `sigma` px over valid pixels alone, blur(x V) / blur(V)."""
    side = 2 * int(3 * sigma + 0.5) + 1

    def blurred(image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT)

    counted = valid.astype(np.float32)
    even = blurred(xyz * counted[..., None]) / np.maximum(blurred(counted), 1e-6)[..., None]
    step = np.array([-0.5, 0, 0.5], np.float32)
    still = np.ones(1, np.float32)
    down = cv2.sepFilter2D(even, -1, still, step, borderType=cv2.BORDER_REPLICATE)
    right = cv2.sepFilter2D(even, -1, step, still, borderType=cv2.BORDER_REPLICATE)
    normal = cross(right, down)
    normal *= -np.sign(dot(normal, even))[..., None]
    around = cv2.blur(counted, (3, 3), borderType=cv2.BORDER_REFLECT)
    known = valid & (around > 4.5 / 9) & ~edges(xyz, valid)
    return unit(normal) * known[..., None]


def edges(xyz: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool next to a depth step of more than JUMP and of ten times the usual distance of neighbours."""
    depth = xyz[..., 2]
    beside = valid[::4, 1:] & valid[::4, :-1]
    apart = norm((xyz[::4, 1:] - xyz[::4, :-1])[beside])
    limit = max(JUMP, 10 * float(np.median(apart)) if apart.size else 0.0)
    far = np.float32(np.finfo(np.float32).max / 4)
    square = np.ones((3, 3), np.uint8)
    nearest = cv2.erode(np.where(valid, depth, far), square)
    return valid & (cv2.dilate(np.where(valid, depth, -far), square) - nearest > limit)


def tangent_frame(normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors (3,) that make a right-handed frame with the unit normal (3,)."""
    x, y, z = (float(c) for c in normal)
    # The axis that is furthest from the normal, crossed with it; written out, since this is called for each defect.
    if abs(x) <= abs(y) and abs(x) <= abs(z):
        a, b, c = 0.0, -z, y
    elif abs(y) <= abs(z):
        a, b, c = z, 0.0, -x
    else:
        a, b, c = -y, x, 0.0
    length = (a * a + b * b + c * c) ** 0.5
    a, b, c = a / length, b / length, c / length
    return np.array([a, b, c]), np.array([y * c - z * b, z * a - x * c, x * b - y * a])


def raised_normals(xyz: Array, normal: Array, height: Array, focal: tuple[Array, Array]) -> Array:
    """Normals after the surface moved by `height`: n' = unit(n - grad h), grad along the surface.

    xyz, normal (..., H, W, 3), height (..., H, W) metres, focal (fx, fy). h belongs to pixels, so it does not change
    along a ray and its gradient in space is (fx h_u, fy h_v, -(x fx h_u + y fy h_v) / z) / z."""
    xp = namespace(xyz)
    down, right = slopes(height)
    depth = xp.where(xyz[..., 2] > 0, xyz[..., 2], xyz[..., 2] + 1)
    along_x, along_y = focal[0] * right / depth, focal[1] * down / depth
    inward = -(xyz[..., 0] * along_x + xyz[..., 1] * along_y) / depth
    gradient = xp.stack([along_x, along_y, inward], -1)
    return unit(normal - gradient + normal * dot(normal, gradient)[..., None])
