"""Pseudo-anomalies of G2SF, the published scheme: of good scans alone, for training.

A good scan is turned and moved on its grid, then pieces of two others are pasted into it where noise is high: the
varied image of one, and the relief of the other, raised or lowered by 0.2 to 2 mm. Depth is changed along z alone, as
published. Departures: textures are varied by DRAEM's changes (`synth.dual.presets.texture`); the donors of relief are
good scans of the same product, since a detector sees no other; the last component is not skipped; nothing is pasted off
the part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from eval.detectors.encoding import LEAST_POINTS
from synth.dual.presets.regions import EIGHT, turned_noise
from synth.dual.presets.texture import varied
from synth.sample import Sample

TRIES = 40
"""Draws of noise before a pair of scans counts as one without room; the threshold falls over them."""
LEVELS = (0.4, 0.2)
"""Noise above which a pixel is pasted on: at first, and at last. [R]"""
MAX_POWER = 4
"""Noise has 2^0 to 2^4 cells along an axis. [R]"""
PIECE, TOGETHER = (100 / 512**2, 1600 / 512**2), 300 / 512**2
"""Sizes of a piece, and least of all pieces, as shares of the image: the code's, whose noise has 512^2 px. [R]"""
OPACITY, HEIGHT = (0.5, 1.0), (2e-4, 2e-3)
"""Share of the texture in what is pasted; metres by which relief is moved. [R]"""
ON_PART = 2 / 3
"""A piece of which a smaller share lies on the part is moved onto it. [R]"""


class Warp(BaseModel):
    """How far a scan is turned (degrees), moved (share of a side), scaled and mirrored before pieces are pasted; the
    defaults are those for MVTec 3D-AD. [R]"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    turn: float = Field(45.0, ge=0, le=180)
    shift: float = Field(0.1, ge=0, le=0.5)
    scale: tuple[float, float] = (0.8, 1.25)
    mirror: bool = True


@dataclass(frozen=True)
class Scan:
    """image uint8 (H, W, 3); xyz float32 (H, W, 3) metres; valid bool (H, W), where there is a point."""

    image: np.ndarray
    xyz: np.ndarray
    valid: np.ndarray


def scan_of(sample: Sample, size: tuple[int, int]) -> Scan:
    """A sample with image and xyz at another size, the image averaged, the cloud by nearest pixels."""
    assert sample.image is not None
    assert sample.xyz is not None
    image = np.asarray(Image.fromarray(sample.image).resize(size[::-1], Image.Resampling.BICUBIC))
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(size, sample.xyz.shape[:2], strict=True)
    )
    xyz = sample.xyz[rows][:, columns]
    return Scan(image, xyz, np.isfinite(xyz).all(2) & (xyz != 0).any(2))


def composite(scans: Sequence[Scan], warp: Warp, rng: np.random.Generator) -> tuple[Scan, np.ndarray] | None:
    """One pseudo-anomaly made of good scans of one size, with its mask bool (H, W); None where there is no room."""
    target, texture, relief = (scans[int(rng.integers(len(scans)))] for _ in range(3))
    target = warped(target, warp, rng)
    pieces, count = drawn_pieces(texture.valid & relief.valid, rng)
    if not count or target.valid.sum() < LEAST_POINTS:
        return None
    changed = np.rint(255 * varied(texture.image.astype(np.float32) / 255, rng)).astype(np.uint8)
    image, xyz, mask = target.image.copy(), target.xyz.copy(), np.zeros(target.valid.shape, bool)
    for number in range(1, count + 1):
        source = np.argwhere(pieces == number)
        place = source + _moved_onto(source, target.valid, rng)
        inside = ((place >= 0) & (place < mask.shape)).all(1)
        source, place = source[inside], place[inside]
        there = target.valid[place[:, 0], place[:, 1]]
        if not there.any():
            continue
        taken, put = tuple(source[there].T), tuple(place[there].T)
        opacity = rng.uniform(*OPACITY)
        image[put] = np.rint(opacity * changed[taken] + (1 - opacity) * target.image[put])
        height = rng.uniform(*HEIGHT) * rng.choice([-1, 1])
        xyz[..., 2][put] = _relief(relief.xyz[taken][:, 2], target.xyz[put][:, 2]) + height
        mask[put] = True
    return (replace(target, image=image, xyz=xyz), mask) if mask.any() else None


def drawn_pieces(where: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Pieces of thresholded noise within `where` bool (H, W), of sizes within PIECE, numbered from 1: int32 (H, W), and
    how many; zeros where TRIES draws mark too little."""
    least, most = (max(1, share * where.size) for share in PIECE)
    for level in np.linspace(*LEVELS, TRIES):
        pieces, count = ndimage.label((turned_noise(where.shape, rng, MAX_POWER) > level) & where, EIGHT)
        area = np.bincount(pieces.ravel(), minlength=count + 1)
        kept = (area >= least) & (area <= most)
        kept[0] = False
        if area[kept].sum() >= TOGETHER * where.size:
            return (np.cumsum(kept) * kept)[pieces], int(kept.sum())
    return np.zeros(where.shape, np.int32), 0


def warped(scan: Scan, warp: Warp, rng: np.random.Generator) -> Scan:
    """The scan turned, scaled, moved and perhaps mirrored on its grid. Points keep their coordinates; beyond the border
    the image is mirrored and there are no points."""
    size = np.array(scan.valid.shape)
    angle = np.deg2rad(rng.uniform(-warp.turn, warp.turn))
    mirror = rng.choice([-1, 1], 2) if warp.mirror else np.ones(2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / rng.uniform(*warp.scale)
    shift = rng.uniform(-warp.shift, warp.shift, 2) * size
    grid = np.moveaxis(np.indices(scan.valid.shape), 0, -1) + 0.5 - size / 2 - shift
    places = np.moveaxis((grid * mirror) @ turn.T + size / 2 - 0.5, -1, 0)
    channels = np.moveaxis(scan.image, -1, 0)
    image = np.stack([ndimage.map_coordinates(one, places, order=1, mode="mirror") for one in channels], axis=-1)
    rows, columns = np.rint(places).astype(int)
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    rows, columns = rows.clip(0, size[0] - 1), columns.clip(0, size[1] - 1)
    valid = inside & scan.valid[rows, columns]
    return Scan(image, np.where(valid[..., None], scan.xyz[rows, columns], np.float32(0)), valid)


def _moved_onto(source: np.ndarray, valid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """By how many px a piece (n, 2) is moved: not at all where enough of it lies on the part, else with its centre to a
    random pixel of the part, half its box from the border where there is such a pixel."""
    if valid[tuple(source.T)].mean() > ON_PART:
        return np.zeros(2, int)
    half = (np.ptp(source, axis=0) + 1) // 2
    inner = np.zeros_like(valid)
    inner[half[0] : len(valid) - half[0], half[1] : valid.shape[1] - half[1]] = True
    places = np.argwhere(valid & inner)
    places = places if len(places) else np.argwhere(valid)
    return places[int(rng.integers(len(places)))] - source.mean(0).astype(int)


def _relief(donor: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Depths (n,) of the donor about the mean depth of the target."""
    return donor - donor.mean() + target.mean()
