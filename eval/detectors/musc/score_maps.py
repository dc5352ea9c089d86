"""Anomaly maps from the scores of image tokens and of point groups."""

from __future__ import annotations

import torch
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional

NEAREST = 3
SAME_PLACE = 1e-12  # square metres: points within 1 um of a centre take its score


def image_map(scores: Tensor, size: tuple[int, int], repo_corners: bool = False) -> Tensor:
    """Scores of tokens (h, w) -> (H, W), bilinear. repo_corners: the corner cells lie on the corner pixels, as in the
    released code, which moves the map outwards by up to half a cell."""
    return functional.interpolate(scores[None, None], size, mode="bilinear", align_corners=repo_corners)[0, 0]


def point_map(
    scores: Tensor, centres: Tensor, points: Tensor, place: Tensor, size: tuple[int, int], sigma: float
) -> Tensor:
    """Scores of groups (G,) with centres (G, 3) -> (H, W): to each point (n, 3) the mean of the three nearest centres
    weighted by 1 / distance^2, at its pixel `place` (n, 2) row and column (the highest of several, 0 where there is no
    point), then a Gaussian of `sigma` px. (The released code blurs a copy of 256 levels.)"""
    near = range(1, min(NEAREST, len(centres)) + 1)
    distances, rows = cKDTree(centres.double().numpy()).query(points.double().numpy(), k=near)
    weights = 1 / torch.from_numpy(distances).square().clamp(min=SAME_PLACE)
    values = (weights * scores.double()[torch.from_numpy(rows)]).sum(1) / weights.sum(1)
    pixels = place[:, 0] * size[1] + place[:, 1]
    flat = torch.zeros(size[0] * size[1]).scatter_reduce(0, pixels, values.float(), "amax", include_self=False)
    return torch.from_numpy(ndimage.gaussian_filter(flat.view(size).numpy(), sigma))
