"""A light network that trusts low-level features, in the manner of LFD-RoadSeg (Zhou et al. 2023): residual blocks at
1/4 and 1/8 hold nearly all of it; a thin context branch at 1/16 says where they matter. A defect is local contrast far
more often than it is meaning, so little is lost.

Ours, not a copy of theirs: the published layer sizes are not followed, its number of parameters (0.94 M) is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eval.segmenters.layers import channels, conv, enlarge, head


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(inputs, outputs, stride=stride), conv(outputs, outputs, active=False))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv(inputs, outputs, 1, stride, active=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Context(nn.Module):
    """Depthwise convolutions of growing reach at 1/16, and the mean of the image; (B, C, h, w) -> the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.shrink = conv(width, width, stride=2, groups=width)
        self.reaches = nn.ModuleList(
            [nn.Conv2d(width, width, 3, padding=reach, dilation=reach, groups=width, bias=False) for reach in (1, 2, 4)]
        )
        self.join = conv(4 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shrink(x)
        whole = x.mean((2, 3), keepdim=True).expand_as(x)
        return self.join(torch.cat([*(reach(x) for reach in self.reaches), whole], 1))


class Lfd(nn.Module):
    """Images (B, 3, H, W) with sides that 32 divides -> logits (B, 1, H, W), one more in training."""

    def __init__(self, width: float) -> None:
        super().__init__()
        first, fine, middle = (channels(n, width) for n in (32, 64, 128))
        self.fine = nn.Sequential(conv(3, first, stride=2), Residual(first, fine, 2), Residual(fine, fine))
        self.middle = nn.Sequential(Residual(fine, middle, 2), Residual(middle, middle))
        self.context = Context(middle)
        self.narrow = conv(middle, fine, 1)
        self.gate = nn.Sequential(conv(2 * fine, fine, 1), nn.Conv2d(fine, fine, 1))
        self.head = head(fine, fine)
        self.booster = head(middle, fine)

    def forward(self, images: Tensor) -> list[Tensor]:
        fine = self.fine(images)
        middle = self.middle(fine)
        guided = middle + enlarge(self.context(middle), (middle.shape[2], middle.shape[3]))
        meaning = enlarge(self.narrow(guided), (fine.shape[2], fine.shape[3]))
        gate = torch.sigmoid(self.gate(torch.cat([fine, meaning], 1)))
        logits = [self.head(gate * fine + (1 - gate) * meaning)]
        if self.training:
            logits.append(self.booster(guided))
        return [enlarge(each, (images.shape[2], images.shape[3])) for each in logits]
