"""What a network of points is and what it says of a cloud."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from synth.errors import EvalError


@dataclass(frozen=True)
class PointFeatures:
    """levels: (G, C_k) float32 each; centres: (G, 3) metres; index: (G,) int64, the row of each centre in the points
    given; curvature: (G,) smallest over summed eigenvalues of a centre's surroundings, 0 = flat."""

    levels: list[Tensor]
    centres: Tensor
    index: Tensor
    curvature: Tensor | None = None


@dataclass(frozen=True)
class PointNetwork:
    """name: part of the names of all figures; identity: sha256 over weights and settings; tokens: points (n, 3) float32
    metres, in the camera's frame -> what it says of some of them."""

    name: str
    identity: str
    tokens: Callable[[Tensor], PointFeatures]


def plain_points() -> PointNetwork:
    """No network: for methods that look at the points themselves."""

    def tokens(points: Tensor) -> PointFeatures:
        return PointFeatures([], points[:0], torch.empty(0, dtype=torch.int64))

    return PointNetwork("points", "points", tokens)


def check_points(points: Tensor, least: int) -> None:
    """EvalError unless points (n, 3) are finite and at least `least`."""
    if points.ndim != 2 or points.shape[1] != 3:
        raise EvalError(f"points have shape {tuple(points.shape)}, wanted (n, 3)")
    if len(points) < least:
        raise EvalError(f"a cloud has {len(points)} valid points, wanted {least} or more: leave the sample out")
    if not bool(points.isfinite().all()):
        raise EvalError("a cloud has points that are not finite: pass its valid points only")
