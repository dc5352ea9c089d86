"""A good RGB-D sample made ready: camera, foreground, normals, noise and light, worked out once and only read then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from scipy import ndimage

from synth.dual.arrays import dot, norm
from synth.dual.frame import Camera, edges, fit_camera, normals
from synth.dual.light import Light, estimate_light
from synth.dual.numbers import Place
from synth.dual.plane import Plane, fit_plane
from synth.dual.sensor import depth_noise
from synth.errors import SampleError
from synth.sample import Sample

BACKGROUND = 5e-3
"""Height above the background plane in metres from which a pixel is part."""
LEAST_SHARE = 0.002
"""Pieces smaller than this share of the frame are no parts."""
CLOSING = np.ones((3, 3), np.uint8)
OFF_RAY = 0.5
"""Deviation in px from a pinhole at which image and cloud no longer belong together."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One good sample. Images are (H, W): `foreground` bool, `part` int32 (0 = none, 1.. = which connected piece),
    `room` float32 px to the nearest pixel that is not part, `facing` float32 cosine between normal and line of sight,
    0 where no normal is known; `normal` float32 (H, W, 3); `positions` flat indices of pixels that may be seeds;
    `diagonal` metres of each piece; `sigma` metres of depth noise; `spacing` metres between neighbouring pixels."""

    id: str
    image: np.ndarray
    xyz: np.ndarray
    valid: np.ndarray
    foreground: np.ndarray
    part: np.ndarray
    room: np.ndarray
    normal: np.ndarray
    facing: np.ndarray
    positions: np.ndarray
    diagonal: tuple[float, ...]
    camera: Camera
    plane: Plane | None
    sigma: float
    light: Light
    allowed: np.ndarray | None = None
    _weights: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        return self.valid.shape

    def pixel_size(self, row: int, column: int) -> float:
        """Metres across a pixel at the surface, for a surface that faces the camera."""
        return float(self.xyz[row, column, 2]) / self.camera.fx

    def weights(self, place: Place) -> np.ndarray:
        """Cumulative weight of each candidate position for a rule of placing; worked out on first use."""
        if place not in self._weights:
            self._weights[place] = np.cumsum(self._weight(place))
        return self._weights[place]

    def _weight(self, place: Place) -> np.ndarray:
        if place in ("curved", "flat"):
            bend = curvature(self.normal, self.part > 0).ravel()[self.positions]
            limit = np.median(bend)
            weight = (bend > limit if place == "curved" else bend <= limit).astype(float)
            return weight if weight.any() else np.ones(len(bend))
        if place == "edge":
            near = self.room.ravel()[self.positions]
            return (near <= max(np.quantile(near, 0.2), 4.0)).astype(float)
        if place == "mask" and self.allowed is None:
            raise SampleError(f"{self.id}: place 'mask' needs a bool (H, W) mask in the sample's meta['allowed']")
        return np.ones(len(self.positions))


def prepare(sample: Sample, meta: Mapping[str, Any] | None = None) -> Scene:
    """Work out everything that drawing needs. Takes from meta what it knows: "camera" (fx, fy, cx, cy),
    "foreground" and "allowed" bool (H, W), "sigma_z" metres, "light" ((x, y, z), ambient). SampleError, with the
    remedy, for a sample without image or cloud, with NaN, without returns or with a cloud that is off its rays."""
    image, xyz = _checked(sample)
    known = {**sample.meta, **(meta or {})}
    valid = xyz[..., 2] > 0
    camera = Camera(*known["camera"]) if "camera" in known else _camera(sample.id, xyz, valid)
    sigma = float(known["sigma_z"]) if "sigma_z" in known else depth_noise(xyz[..., 2], valid)
    plane = fit_plane(xyz, valid, max(3 * sigma, 1e-3))
    if known.get("foreground") is not None:
        foreground = np.asarray(known["foreground"]) & valid
    else:
        foreground = find_foreground(xyz, valid, plane, max(BACKGROUND, 6 * sigma, 5 * plane.spread if plane else 0.0))
    spacing = float(np.median(xyz[..., 2][foreground])) / camera.fx
    normal = normals(xyz, valid, float(np.clip(2.5 * np.sqrt(sigma / spacing), 1.5, 4.0)))
    part, _ = ndimage.label(foreground)
    inner = np.pad((foreground & ~edges(xyz, valid)).astype(np.uint8), 1)
    room = cv2.distanceTransform(inner, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    facing = -dot(normal, xyz) / np.maximum(norm(xyz), np.float32(1e-9))
    usable = foreground & (facing > 0)
    allowed = known.get("allowed")
    positions = np.flatnonzero(usable if allowed is None else usable & np.asarray(allowed))
    if positions.size == 0:
        raise SampleError(f"{sample.id}: no pixel of the part can carry a defect; check its foreground and depth")
    given = known.get("light")
    return Scene(
        id=sample.id,
        image=image,
        xyz=xyz,
        valid=valid,
        foreground=foreground,
        part=part.astype(np.int32),
        room=np.ascontiguousarray(room),
        normal=normal,
        facing=facing.astype(np.float32),
        positions=positions,
        diagonal=tuple(_diagonal(xyz[box][part[box] == k]) for k, box in enumerate(ndimage.find_objects(part), 1)),
        camera=camera,
        plane=plane,
        sigma=sigma,
        light=Light(*given) if given is not None else estimate_light(normal, image, foreground),
        allowed=None if allowed is None else np.asarray(allowed),
    )


def find_foreground(xyz: np.ndarray, valid: np.ndarray, plane: Plane | None, above: float) -> np.ndarray:
    """The part (H, W) bool: valid pixels more than `above` metres in front of the background plane, holes closed,
    specks dropped. Every valid pixel where there is no plane or nothing stands on it."""
    if plane is None:
        return valid
    raised = (valid & (plane.height(xyz) > above)).astype(np.uint8)
    wide = cv2.dilate(raised, CLOSING, iterations=3)
    closed = cv2.erode(wide, CLOSING, iterations=3, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    found = closed.astype(bool) & valid
    labels, _ = ndimage.label(found)
    area = np.bincount(labels.ravel())
    area[0] = 0
    large = area >= max(LEAST_SHARE * valid.size, 9)
    return large[labels] if large.any() else valid


def curvature(normal: np.ndarray, where: np.ndarray) -> np.ndarray:
    """How fast normals (H, W, 3) turn: smoothed length of their differences, (H, W); 0 off `where`."""
    down, right = (np.abs(np.gradient(normal, axis=axis)).sum(-1) for axis in (0, 1))
    return ndimage.uniform_filter((down + right) * where, 7)


def _checked(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    if sample.xyz is None:
        raise SampleError(f"{sample.id} has no organised cloud (xyz); give one, or use its unorganised cloud")
    if sample.image is None:
        raise SampleError(f"{sample.id} has no image beside its cloud; give one, grey where there is none")
    if not np.isfinite(sample.xyz).all():
        count = int((~np.isfinite(sample.xyz)).any(-1).sum())
        remedy = "write (0, 0, 0) where nothing returned"
        raise SampleError(f"{sample.id}: {count} pixels of xyz are NaN or infinite; {remedy}")
    valid = sample.xyz[..., 2] > 0
    if valid.sum() < 50:
        raise SampleError(f"{sample.id}: {int(valid.sum())} of {valid.size} pixels returned a point; scan it again")
    middle = float(np.median(sample.xyz[..., 2][valid]))
    if not 0.02 <= middle <= 20:
        raise SampleError(f"{sample.id}: its median depth is {middle:.4g} m; is xyz in millimetres? Give metres")
    return sample.image, sample.xyz


def _camera(name: str, xyz: np.ndarray, valid: np.ndarray) -> Camera:
    camera, error = fit_camera(xyz, valid)
    if error > OFF_RAY:
        raise SampleError(
            f"{name}: xyz does not lie on the rays of one camera ({error:.1f} px off); it was resampled or is not "
            "organised by pixel: give the raw scan, or treat it as an unorganised cloud"
        )
    return camera


def _diagonal(points: np.ndarray) -> float:
    low, high = np.percentile(points[:: max(1, len(points) // 20_000)], (1, 99), axis=0)
    return float(np.linalg.norm(high - low))
