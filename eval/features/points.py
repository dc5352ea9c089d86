"""Networks of points, by name: what clouds are compared with.

| name                    | what it says of a cloud                                                                |
|-------------------------|----------------------------------------------------------------------------------------|
| fpfh                    | fast point feature histograms at radii that follow the size of the cloud               |
| fpfh:published          | those of BTF and 3D-ADS: of every point, at radii of 0.1 and 0.25 m                    |
| points                  | nothing: for detectors that look at the points themselves                              |
| xyz_stats               | mean, spread and normal of the surroundings, at two radii                              |
| point_mae:FILE          | a transformer over groups of nearest points, with the checkpoint its authors publish   |
| point_mae_surface:FILE  | the same over groups that are grown along the surface, as MuSc-V2 makes them           |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.features.point_grid import grid_of_points
from eval.features.point_network import PointFeatures, PointNetwork, plain_points
from synth.errors import EvalError

_NAMES = "fpfh, fpfh:published, points, xyz_stats, point_mae:FILE or point_mae_surface:FILE"
_GROUPINGS = {"point_mae": "nearest", "point_mae_surface": "surface"}


def create_points(name: str, cache: str | Path | None = None, **options: Any) -> PointNetwork:
    """The network of this name with the options of its own, ready to use; cache: a folder in which features are kept.
    EvalError where there is none."""
    network = _opened(name, options)
    if cache is None or name == "points":
        return network
    from eval.features.cache import FeatureCache, cached_points

    return cached_points(network, FeatureCache(cache))


def _opened(name: str, options: dict[str, Any]) -> PointNetwork:
    kind, _, rest = name.partition(":")
    if kind == "fpfh" and rest in ("", "published"):
        from eval.features.fpfh import PUBLISHED, load_fpfh

        return load_fpfh(**(PUBLISHED if rest else {}) | options)
    if name == "points":
        return plain_points()
    if name == "xyz_stats":
        from eval.features.xyz_stats import load_xyz_stats

        return load_xyz_stats(**options)
    if kind in _GROUPINGS and rest:
        from eval.features.point_mae import load_point_mae

        return load_point_mae(Path(rest), **{"grouping": _GROUPINGS[kind]} | options)
    raise EvalError(f"no network of points {name!r}; give {_NAMES}")


__all__ = ["PointFeatures", "PointNetwork", "create_points", "grid_of_points"]
