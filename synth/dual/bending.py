"""Smooth bends: for arcs beyond a hinge line the part turns gradually, then continues straight.

With s the distance from the hinge along the part, t the depth below its surface, phi the angle over the length L,
R = L / phi, a = phi clip(s, 0, L) / L, e = max(s - L, 0):  s' = (R - t) sin a + e cos a,
t' = R - (R - t) cos a + e sin a.  Lengths on the surface t = 0 are kept; a hard hinge would tear it.
"""

from __future__ import annotations

import numpy as np

from synth.dual.cutting import frame_at, outward_direction
from synth.dual.profiles import Hinge
from synth.dual.scene import Scene
from synth.io.camera import Camera

FINER = 3
"""Points a pixel is split into along each side before the bent surface is seen by the camera again."""


def bent(points: np.ndarray, centre: np.ndarray, axes: np.ndarray, hinge: Hinge, side: int = 1) -> np.ndarray:
    """Points (..., 3) after the bend. axes (3, 3): along the part, along the hinge line, outward normal; `side` 1 bends
    away from the normal, -1 towards it."""
    away = (points - centre) @ axes.T
    s, depth = away[..., 0], -side * away[..., 2]
    angle = hinge.angle * np.clip(s, 0, hinge.length) / hinge.length
    beyond = np.maximum(s - hinge.length, 0)
    bow = hinge.length / hinge.angle
    moved_s = np.where(s > 0, (bow - depth) * np.sin(angle) + beyond * np.cos(angle), s)
    moved_t = np.where(s > 0, bow - (bow - depth) * np.cos(angle) + beyond * np.sin(angle), depth)
    return centre + np.stack([moved_s, away[..., 1], -side * moved_t], -1) @ axes


def turned(
    normals: np.ndarray, points: np.ndarray, centre: np.ndarray, axes: np.ndarray, hinge: Hinge, side: int
) -> np.ndarray:
    """Normals (..., 3) at points (..., 3) after the same bend."""
    s = (points - centre) @ axes[0]
    angle = hinge.angle * np.clip(s, 0, hinge.length) / hinge.length
    along, across, out = (normals @ axis for axis in axes)
    cos, sin = np.cos(angle), side * np.sin(angle)
    return np.stack([along * cos + out * sin, across, out * cos - along * sin], -1) @ axes


def bend_scene(
    scene: Scene, hinge: Hinge, seed: tuple[int, int], side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A part bent about a line through the seed, towards its nearest rim, seen again by the camera: xyz (H, W, 3),
    image (H, W, 3) uint8 and the pixels (H, W) bool that changed.

    The bent surface is split finer than pixels and the nearest point wins each pixel; what it uncovers shows the
    background. Every point lies on its pixel's ray."""
    frame = frame_at(scene, seed)
    outward = outward_direction(scene, seed, frame)
    axes = np.stack([outward, np.cross(frame[2], outward), frame[2]])
    centre = scene.xyz[seed].astype(np.float64)
    part = scene.part == scene.part[seed]
    beyond = part & ((scene.xyz.astype(np.float64) - centre) @ outward > 0)
    points, colours = _finer(scene, beyond)
    seen_depth, seen_colour = _seen(bent(points, centre, axes, hinge, side), colours, scene.camera, scene.shape)
    kept_depth = np.where(scene.valid & ~beyond, scene.xyz[..., 2], np.inf)
    nearer = seen_depth < kept_depth
    uncovered = beyond & ~nearer
    rows, columns = np.nonzero(nearer | uncovered)
    rays = scene.camera.rays(rows.astype(np.float64), columns.astype(np.float64))
    behind = np.full(len(rows), np.inf)
    if scene.plane is not None:
        with np.errstate(divide="ignore"):
            behind = scene.plane.offset / (rays @ scene.plane.normal)
    depth = np.where(nearer[rows, columns], seen_depth[rows, columns], np.where(behind > 0, behind, np.inf))
    xyz, image = scene.xyz.copy(), scene.image.copy()
    xyz[rows, columns] = np.where(
        np.isfinite(depth)[:, None], rays * np.where(np.isfinite(depth), depth, 0)[:, None], 0
    )
    image[nearer] = seen_colour[nearer]
    image[uncovered] = _ground(scene)
    return xyz.astype(np.float32), image, nearer | uncovered


def _finer(scene: Scene, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) and colours (N, 3) of FINER x FINER places in every quad of pixels that all belong to `where`, or
    the pixels themselves at its rim."""
    quad = where[:-1, :-1] & where[1:, :-1] & where[:-1, 1:] & where[1:, 1:]
    depth = scene.xyz[..., 2]
    corners = np.stack([depth[:-1, :-1], depth[1:, :-1], depth[:-1, 1:], depth[1:, 1:]])
    quad &= np.ptp(corners, axis=0) < 0.02 * corners.mean(0)
    rows, columns = np.nonzero(quad)
    xyz, image = scene.xyz.astype(np.float64), scene.image.astype(np.float64)
    points, colours = [xyz[where]], [image[where]]
    for down in (np.arange(FINER) + 0.5) / FINER - 0.5 / FINER:
        for right in (np.arange(FINER) + 0.5) / FINER - 0.5 / FINER:
            weights = ((1 - down) * (1 - right), down * (1 - right), (1 - down) * right, down * right)
            steps = ((0, 0), (1, 0), (0, 1), (1, 1))
            for values, out in ((xyz, points), (image, colours)):
                parts = [w * values[rows + i, columns + j] for w, (i, j) in zip(weights, steps, strict=True)]
                out.append(np.sum(parts, axis=0))
    return np.concatenate(points), np.concatenate(colours)


def _seen(
    points: np.ndarray, colours: np.ndarray, camera: Camera, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Depth (H, W), infinite where nothing is seen, and uint8 colour (H, W, 3) of the nearest point in each pixel."""
    pixels = np.rint(camera.project(points)).astype(int)
    inside = (pixels >= 0).all(1) & (pixels[:, 0] < shape[1]) & (pixels[:, 1] < shape[0]) & (points[:, 2] > 0)
    flat = pixels[inside, 1] * shape[1] + pixels[inside, 0]
    order = np.lexsort((points[inside, 2], flat))
    first, at = np.unique(flat[order], return_index=True)
    depth = np.full(shape[0] * shape[1], np.inf)
    colour = np.zeros((shape[0] * shape[1], 3), np.uint8)
    depth[first] = points[inside, 2][order[at]]
    colour[first] = np.clip(np.rint(colours[inside][order[at]]), 0, 255)
    return depth.reshape(shape), colour.reshape(*shape, 3)


def _ground(scene: Scene) -> np.ndarray:
    """Median colour (3,) of the background, a little shaded."""
    ground = scene.image[scene.valid & (scene.part == 0)]
    return (0.7 * np.median(ground, axis=0)).astype(np.uint8) if len(ground) else np.full(3, 30, np.uint8)
