"""Mean, spread and normal of the surroundings of points: features without weights that see where a surface is, how it
bends and where it faces."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eval.features.network import fingerprint
from eval.features.point_network import PointFeatures, PointNetwork, check_points
from eval.features.surface import curvature, eigen, spread, surroundings, thinned_rows, voxel_of

_RADII = (2.5, 5.0)
"""In voxels; a level each."""
_MOST = 100
_LEAST = 3


def load_xyz_stats(voxel: float | None = None) -> PointNetwork:
    """The network `xyz_stats`: two levels of 9 channels at one point a voxel, metres, by the cloud's own size if None.
    Of each neighbourhood the mean from the cloud's centroid, in root mean square distances from it, so that the place
    weighs less than the shape; the roots of the eigenvalues of the covariance, in radii; the normal towards the
    camera."""

    def tokens(points: Tensor) -> PointFeatures:
        check_points(points, _LEAST)
        every = points.double().numpy()
        side = voxel_of(every) if voxel is None else voxel
        rows = thinned_rows(every, side)
        kept, centroid, whole = every[rows], every.mean(0), spread(every)
        levels = []
        for radius in _RADII:
            reach = radius * side
            mean, values, normals = eigen(kept, surroundings(kept, reach, _MOST))
            stats = np.concatenate([(mean - centroid) / whole, np.sqrt(values) / reach, normals], axis=1)
            levels.append(torch.from_numpy(stats).float())
        index = torch.from_numpy(rows)
        return PointFeatures(levels, points[index], index, torch.from_numpy(curvature(values)).float())

    return PointNetwork("xyz_stats", fingerprint({"network": "xyz_stats", "voxel": voxel}, {}), tokens)
