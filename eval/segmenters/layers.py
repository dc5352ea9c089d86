"""Layers that the convolutional segmenters share."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

_DEFECT_ODDS = math.log(0.1 / 0.9)


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1, active: bool = True) -> nn.Module:
    """Convolution that keeps the size (over the stride), batch norm and, where active, ReLU."""
    layers = [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU()] if active else []))


def head(inputs: int, middle: int) -> nn.Module:
    """From features to one logit a cell."""
    return nn.Sequential(conv(inputs, middle), expect_little(nn.Conv2d(middle, 1, 1)))


def expect_little(last: nn.Conv2d) -> nn.Conv2d:
    """The layer that gives the logits, set to say "a tenth" everywhere before it has learnt anything (the prior of Lin
    et al. 2017, section 4.1): learning first that most is good would take a hundred steps."""
    assert last.bias is not None
    nn.init.constant_(last.bias, _DEFECT_ODDS)
    return last


def enlarge(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear to (h, w)."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def channels(published: int, width: float) -> int:
    """A number of channels scaled by `width`: a multiple of 8."""
    return max(8, 8 * round(published * width / 8))
