"""Fast point feature histograms (Rusu et al. 2009): of the angles between the normals of a point and of its
surroundings, three histograms of 11 bins, each point's with those round it added by 1 / distance^2 as PCL and open3d
do. open3d computes them where it imports, numpy elsewhere; normals come from here in either case, so that both agree,
but for neighbours at exactly the same distance of which only some are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from eval.features.network import fingerprint
from eval.features.point_network import PointFeatures, PointNetwork, check_points
from eval.features.surface import Surroundings, curvature, eigen, surroundings, thinned_rows, voxel_of

PUBLISHED: dict[str, Any] = {"voxel": 0.05, "thin": False}
"""Of BTF and 3D-ADS, whose clouds are in metres."""
_NORMAL_RADIUS, _NORMAL_MOST = 2, 30
_RADIUS, _MOST = 5, 100
"""Radii in voxels, and points counted in them."""
_BINS = 11
_LEAST = 3
_PAIRS = 1 << 20
"""Pairs of points that are worked on at once."""


def load_fpfh(voxel: float | None = None, thin: bool = True) -> PointNetwork:
    """The network `fpfh`: one level of 33 channels. voxel: metres, the unit of the radii, None = by the cloud's own
    size; thin: of one point a voxel, else of every point."""

    def tokens(points: Tensor) -> PointFeatures:
        check_points(points, _LEAST)
        every = points.double().numpy()
        side = voxel_of(every) if voxel is None else voxel
        rows = thinned_rows(every, side) if thin else np.arange(len(every))
        kept = every[rows]
        _, values, normals = eigen(kept, surroundings(kept, _NORMAL_RADIUS * side, _NORMAL_MOST))
        index = torch.from_numpy(rows)
        bent = torch.from_numpy(curvature(values)).float()
        return PointFeatures([histograms(kept, normals, _RADIUS * side)], points[index], index, bent)

    name = "fpfh" if {"voxel": voxel, "thin": thin} != PUBLISHED else "fpfh:published"
    return PointNetwork(name, fingerprint({"network": "fpfh", "voxel": voxel, "thin": thin}, {}), tokens)


def histograms(points: np.ndarray, normals: np.ndarray, radius: float, most: int = _MOST) -> Tensor:
    """points and unit normals (n, 3) -> (n, 33) float32."""
    try:
        import open3d
    except (ImportError, OSError):  # a missing library of the system is either
        return torch.from_numpy(_histograms(points, normals, surroundings(points, radius, most))).float()
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
    cloud.normals = open3d.utility.Vector3dVector(normals)
    search = open3d.geometry.KDTreeSearchParamHybrid(radius=radius, max_nn=most)
    registration: Any = open3d.pipelines.registration  # whose types ask for an argument that is optional
    found = registration.compute_fpfh_feature(cloud, search)
    return torch.from_numpy(np.array(found.data.T, np.float32))


def _histograms(points: np.ndarray, normals: np.ndarray, near: Surroundings) -> np.ndarray:
    """points, normals (n, 3) -> (n, 33): simple histograms, and those of the surroundings scaled to 100 in all."""
    step = max(_PAIRS // max(near.rows.shape[1], 1), 1)
    parts = [slice(start, start + step) for start in range(0, len(points), step)]
    simple = np.concatenate([_simple(points, normals, near, part) for part in parts])
    close = np.divide(1, near.squares, out=np.zeros_like(near.squares), where=near.known & (near.squares > 0))
    round_it = np.concatenate([np.einsum("nk,nkc->nc", close[part], simple[near.rows[part]]) for part in parts])
    sums = round_it.reshape(-1, 3, _BINS).sum(2).repeat(_BINS, axis=1)
    return simple + np.divide(100 * round_it, sums, out=np.zeros_like(simple), where=sums > 0)


def _simple(points: np.ndarray, normals: np.ndarray, near: Surroundings, part: slice) -> np.ndarray:
    """The simple histograms of some points, (m, 33): each of the three sums to 100 where there are neighbours."""
    rows, known = near.rows[part], near.known[part]
    angles = _pair_angles(points[part, None], normals[part, None], points[rows], normals[rows])
    count = known.sum(1)
    made = np.zeros((len(rows), 3 * _BINS))
    for number, angle in enumerate(angles):
        bins = np.floor(_BINS * angle).astype(np.int64).clip(0, _BINS - 1)
        flat = np.arange(len(rows))[:, None] * _BINS + bins
        counted = np.bincount(flat[known], minlength=len(rows) * _BINS).reshape(-1, _BINS)
        made[:, number * _BINS : (number + 1) * _BINS] = 100 * counted / np.maximum(count, 1)[:, None]
    return made


def _pair_angles(
    first: np.ndarray, first_normal: np.ndarray, second: np.ndarray, second_normal: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """theta, alpha and phi of pairs (..., 3), each scaled from its range to [0, 1]. Of the two, the point whose normal
    is nearer to the line between them is the source. All are 0 before scaling where the points coincide or the line
    is the normal."""
    between = second - first
    length = np.linalg.norm(between, axis=-1)
    safe = np.where(length > 0, length, 1)
    one, two = ((normal * between).sum(-1) / safe for normal in (first_normal, second_normal))
    swap = np.arccos(np.abs(one).clip(max=1)) > np.arccos(np.abs(two).clip(max=1))
    source = np.where(swap[..., None], second_normal, first_normal)
    target = np.where(swap[..., None], first_normal, second_normal)
    across = np.cross(np.where(swap[..., None], -between, between), source)
    width = np.linalg.norm(across, axis=-1)
    real = (length > 0) & (width > 0)
    across /= np.where(width > 0, width, 1)[..., None]
    theta = np.arctan2((np.cross(source, across) * target).sum(-1), (source * target).sum(-1))
    alpha, phi = (across * target).sum(-1), np.where(swap, -two, one)
    theta, alpha, phi = (np.where(real, angle, 0) for angle in (theta, alpha, phi))
    return (theta + np.pi) / (2 * np.pi), (alpha + 1) / 2, (phi + 1) / 2
