"""A good RGB-D sample made ready: camera, foreground, normals, noise and light, worked out once and only read then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from scipy import ndimage

from synth.dual.arrays import dot, norm
from synth.dual.frame import edges, normals
from synth.dual.light import Light, estimate_light
from synth.dual.numbers import Place
from synth.dual.plane import Plane, fit_plane, table_is_cut_off
from synth.dual.sensor import depth_noise
from synth.errors import SampleError
from synth.io.camera import OFF_RAY, Camera, Raster, fit_raster, fit_view
from synth.sample import Sample

BACKGROUND = 5e-3
"""Height above the background plane in metres from which a pixel is part."""
LEAST_SHARE = 0.002
"""Pieces smaller than this share of the frame are no parts."""
CLOSING = np.ones((3, 3), np.uint8)
FAR = 20
"""Widths of an orthographic scan from which it is looked at, at least: its rays are parallel, to a few degrees."""
DEPTHS = (2e-3, 45)
"""Median depths in metres that are believed."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One good sample. Images are (H, W): `foreground` bool, `part` int32 (0 = none, 1.. = which connected piece),
    `room` float32 px to the nearest pixel that is not part, `facing` float32 cosine between normal and line of sight,
    0 where no normal is known; `normal` float32 (H, W, 3); `positions` flat indices of pixels that may be seeds;
    `diagonal` metres of each piece; `sigma` metres of depth noise.

    An orthographic scan, whose `raster` is given, stands here moved by `shift` (3,) metres, so far away from a pinhole
    that its rays are parallel for all purposes."""

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
    raster: Raster | None = None
    shift: np.ndarray = field(default_factory=lambda: np.zeros(3))
    _weights: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        return self.valid.shape

    def pixel_sides(self, row: int, column: int) -> tuple[float, float]:
        """Metres along the rows' and the columns' side of a pixel at the surface, for a surface that faces the camera:
        (from row to row, from column to column)."""
        depth, (down, right) = float(self.xyz[row, column, 2]), self.camera.focal
        return depth / down, depth / right

    def pixel_size(self, row: int, column: int) -> float:
        """The longer one of `pixel_sides`."""
        return max(self.pixel_sides(row, column))

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
    """Work out everything that drawing needs. Takes from meta what it knows: "camera" (fx, fy, cx, cy) or
    "orthographic", "background" (auto, plane or none: see `find_table`), "foreground" and "allowed" bool (H, W),
    "sigma_z" metres, "light" ((x, y, z), ambient). SampleError, with the remedy, for a sample without image or cloud,
    with NaN, without returns or with a cloud that is off its rays."""
    image, given_xyz = _checked(sample)
    known = {**sample.meta, **(meta or {})}
    valid = given_xyz[..., 2] > 0
    view = _view(sample.id, given_xyz, valid, known.get("camera"))
    camera, xyz, shift = (view, given_xyz, np.zeros(3)) if isinstance(view, Camera) else _far(view, given_xyz, valid)
    sigma = float(known["sigma_z"]) if "sigma_z" in known else depth_noise(xyz[..., 2], valid)
    plane, foreground = split_table(sample.id, xyz, valid, sigma, known.get("background", "auto"))
    if known.get("foreground") is not None:
        foreground = np.asarray(known["foreground"]) & valid
    spacing = float(np.median(xyz[..., 2][foreground])) / camera.focal[1]
    normal = normals(given_xyz, valid, float(np.clip(2.5 * np.sqrt(sigma / spacing), 1.5, 4.0)))
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
        raster=view if isinstance(view, Raster) else None,
        shift=shift,
    )


def split_table(
    name: str, xyz: np.ndarray, valid: np.ndarray, sigma: float, background: str
) -> tuple[Plane | None, np.ndarray]:
    """The plane that the part lies on, as `find_table` has it, and the part (H, W) bool."""
    plane = find_table(name, xyz, valid, sigma, background)
    above = max(BACKGROUND, 6 * sigma, 5 * plane.spread if plane else 0.0)
    return plane, find_foreground(xyz, valid, plane, above)


def find_table(name: str, xyz: np.ndarray, valid: np.ndarray, sigma: float, background: str) -> Plane | None:
    """The plane that the part lies on. `background`: "none" looks for none; "auto" neither does where the border of the
    frame is empty, since the table was cut off there; "plane" insists, with a SampleError where there is none."""
    if background == "none" or (background == "auto" and table_is_cut_off(valid)):
        return None
    plane = fit_plane(xyz, valid, max(3 * sigma, 1e-3))
    if plane is None and background == "plane":
        raise SampleError(f"{name} shows no plane that its part could lie on; set source.background to none or auto")
    return plane


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
    if not DEPTHS[0] <= middle <= DEPTHS[1]:
        raise SampleError(f"{sample.id}: its median depth is {middle:.4g} m; is xyz in millimetres? Give metres")
    return sample.image, sample.xyz


def _view(name: str, xyz: np.ndarray, valid: np.ndarray, known: Any) -> Camera | Raster:
    if known is not None and known != "orthographic":
        return Camera(*known)
    view, error = fit_view(xyz, valid) if known is None else fit_raster(xyz, valid)
    if error > OFF_RAY:
        raise SampleError(
            f"{name}: xyz does not lie on the rays of one camera ({error:.1f} px off); it was resampled, is not in "
            "the camera's frame or is not organised by pixel: give the raw scan, or treat it as an unorganised cloud"
        )
    return view


def _far(raster: Raster, xyz: np.ndarray, valid: np.ndarray) -> tuple[Camera, np.ndarray, np.ndarray]:
    """An orthographic scan seen from far away: the pinhole, the cloud float32 (H, W, 3) and the metres (3,) by which it
    was moved. Between its highest and lowest point a ray stays within a quarter of a pixel."""
    height, width = valid.shape
    depth = xyz[..., 2][valid]
    nearest, farthest = (float(value) for value in np.percentile(depth, (1, 99)))
    middle = raster.at(np.array((height - 1) / 2), np.array((width - 1) / 2))
    extent = max(abs(raster.pitch_x) * width, abs(raster.pitch_y) * height)
    away = max(FAR * extent, max(height, width) * (farthest - nearest))
    shift = np.array([-middle[0], -middle[1], away - 0.5 * (nearest + farthest)])
    camera = Camera(away / raster.pitch_x, away / raster.pitch_y, (width - 1) / 2, (height - 1) / 2)
    return camera, np.where(valid[..., None], xyz + shift, 0).astype(np.float32), shift


def _diagonal(points: np.ndarray) -> float:
    low, high = np.percentile(points[:: max(1, len(points) // 20_000)], (1, 99), axis=0)
    return float(np.linalg.norm(high - low))
