"""Small scans whose truth is known: a plate and a ball under a pinhole camera, and clouds of closed surfaces."""

from __future__ import annotations

import numpy as np

from synth.sample import Cloud, Sample

FOCAL = 150.0
DEPTH = 0.3


def plate(
    height: int = 61, width: int = 83, tilt: float = 0.0, sigma: float = 0.0, table: bool = True, seed: int = 0
) -> Sample:
    """A textured square plate 10 mm above a table, seen from 300 mm; `tilt` radians about the vertical axis."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width].astype(float)
    x, y = (columns - (width - 1) / 2) / FOCAL, (rows - (height - 1) / 2) / FOCAL
    on = (np.abs(columns - width / 2) < 0.36 * width) & (np.abs(rows - height / 2) < 0.36 * height)
    on |= not table
    # z cos(tilt) + x z sin(tilt) = distance: a plane whose normal leans to the side
    depth = np.where(on, DEPTH - 0.01, DEPTH) / (np.cos(tilt) + x * np.sin(tilt))
    depth = depth + rng.normal(0, sigma, depth.shape) if sigma else depth
    xyz = np.stack([x * depth, y * depth, depth], -1).astype(np.float32)
    xyz[:2, :3] = 0
    tone = np.where(on, 130, 70) + rng.integers(-6, 7, on.shape)
    image = np.clip(tone[..., None] + np.array([0, 4, -4]), 0, 255).astype(np.uint8)
    return Sample(id=f"plate{seed}", image=image, xyz=xyz, mask=np.zeros(on.shape, bool), product="plate")


def ball_cloud(points: int = 4000, radius: float = 0.04, normals: bool = True, seed: int = 3) -> Sample:
    """Points spread evenly over a ball about the origin: a closed surface whose outward direction is known."""
    k = np.arange(points) + 0.5
    polar, turn = np.arccos(1 - 2 * k / points), np.pi * (1 + 5**0.5) * k
    unit = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], 1)
    order = np.random.default_rng(seed).permutation(points)
    cloud = Cloud((radius * unit[order]).astype(np.float32), unit[order].astype(np.float32) if normals else None)
    return Sample(id="ball", cloud=cloud, product="ball")


def egg_cloud(points: int = 4000, axes: tuple[float, float, float] = (0.06, 0.04, 0.025)) -> Sample:
    """The ball stretched to half-axes in metres: closed, of known normals, with a length, a width and a thickness."""
    ball = ball_cloud(points, 1.0)
    assert ball.cloud is not None
    normals = ball.cloud.points / np.float32(axes)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Sample(id="egg", cloud=Cloud(ball.cloud.points * np.float32(axes), normals), product="egg")


def slab_cloud(thickness: float = 0.002, side: float = 0.08, step: float = 0.001) -> Sample:
    """Both faces of a thin slab, normals up and down: a ball of points reaches through it."""
    line = np.arange(0, side, step)
    x, y = (a.ravel() for a in np.meshgrid(line, line))
    points = np.concatenate([np.stack([x, y, np.full(x.size, z)], 1) for z in (0.0, thickness)])
    normals = np.repeat([[0.0, 0, -1], [0, 0, 1]], x.size, axis=0)
    return Sample(id="slab", cloud=Cloud(points.astype(np.float32), normals.astype(np.float32)), product="slab")


def scaled(sample: Sample, factor: float) -> Sample:
    """The same cloud in another unit."""
    assert sample.cloud is not None
    cloud = Cloud((sample.cloud.points * np.float32(factor)), sample.cloud.normals)
    return Sample(id=sample.id, cloud=cloud, product=sample.product)
