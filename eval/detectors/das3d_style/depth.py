"""Depth as an image of one channel in [0, 1], 0 where nothing returned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from eval.detectors.encoding import Shape

FLAT = 0.01
"""Least span over the depth itself: a flat part has no range of its own."""
_ENDS = 0.005
_FILLED = 2


@dataclass(frozen=True)
class Scan:
    """A resized sample: image float32 (3, H, W) in [0, 1]; depth float32 (H, W) metres, 0 = no return."""

    image: Tensor
    depth: Tensor

    @property
    def valid(self) -> Tensor:
        return self.depth > 0

    @cached_property
    def middle(self) -> float:
        """Median depth, metres."""
        return float(self.depth[self.valid].median())


def scan_of(pixels: Tensor, shape: Shape) -> Scan:
    """The scan of resized pixels (3, H, W) and the points at them."""
    depth = torch.zeros(pixels.shape[1:])
    row, column = shape.place.unbind(1)
    depth[row, column] = shape.points[:, 2]
    return Scan(pixels, depth)


def span_of(scans: list[Scan]) -> float:
    """Metres from the nearest to the farthest half percent, the most of all scans."""
    return max(max(_range(scan.depth[scan.valid]), FLAT * scan.middle) for scan in scans)


def scaled(depth: Tensor, middle: float, span: float) -> Tensor:
    """(1, H, W): 0.5 at the depth `middle`, within 0.1 and 0.9 up to `span` from it, as 3DSR leaves room for bumps and
    dents; small holes closed by their neighbours' mean, twice, others 0."""
    valid = depth > 0
    found = torch.where(valid, (0.5 + 0.4 * (depth - middle) / span).clamp(0.01, 1), 0)[None]
    for _ in range(_FILLED):
        found = _filled(found)
    return found


def _filled(found: Tensor) -> Tensor:
    known = (found > 0).to(found.dtype)
    around = F.avg_pool2d(found, 3, 1, 1) / F.avg_pool2d(known, 3, 1, 1).clamp(min=1 / 18)
    return torch.where(found > 0, found, around)


def _range(depth: Tensor) -> float:
    ranked = depth.sort().values
    last = len(ranked) - 1
    return float(ranked[round((1 - _ENDS) * last)] - ranked[round(_ENDS * last)])
