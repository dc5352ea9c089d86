"""BiSeNetV2 (Yu et al. 2021): a wide, shallow branch for detail at 1/8, a slim, deep one for meaning down to 1/32, and
each gating the other where they meet. Four auxiliary heads on the second branch help in training only."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eval.segmenters.layers import channels, conv, enlarge, head

_EXPANSION = 6


class GatherExpand(nn.Module):
    """A residual block (section 4.2): gather with a 3x3, expand depthwise to six times the channels, project back."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        wide = _EXPANSION * inputs
        layers = [conv(inputs, inputs), conv(inputs, wide, stride=stride, groups=inputs, active=False)]
        if stride > 1:
            layers.append(conv(wide, wide, groups=wide, active=False))
        self.body = nn.Sequential(*layers, conv(wide, outputs, 1, active=False))
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            spread = conv(inputs, inputs, stride=stride, groups=inputs, active=False)
            self.shortcut = nn.Sequential(spread, conv(inputs, outputs, 1, active=False))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Stem(nn.Module):
    """To 1/4 in two ways at once, convolution and pooling (figure 4a)."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.entry = conv(3, outputs, stride=2)
        self.left = nn.Sequential(conv(outputs, outputs // 2, 1), conv(outputs // 2, outputs, stride=2))
        self.right = nn.MaxPool2d(3, 2, 1)
        self.join = conv(2 * outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.entry(x)
        return self.join(torch.cat([self.left(x), self.right(x)], 1))


class ContextEmbedding(nn.Module):
    """Adds what the whole image shows to every cell (figure 4b)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.summary = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(width), conv(width, width, 1))
        self.last = conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x + self.summary(x))


class GuidedAggregation(nn.Module):
    """Each branch, at its own resolution, weighted by a gate from the other (figure 6)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.detail_kept = nn.Sequential(
            conv(width, width, groups=width, active=False), nn.Conv2d(width, width, 1, bias=False)
        )
        self.detail_gate = nn.Sequential(conv(width, width, stride=2, active=False), nn.AvgPool2d(3, 2, 1))
        self.meaning_gate = conv(width, width, active=False)
        self.meaning_kept = nn.Sequential(
            conv(width, width, groups=width, active=False), nn.Conv2d(width, width, 1, bias=False)
        )
        self.join = conv(width, width, active=False)

    def forward(self, detail: Tensor, meaning: Tensor) -> Tensor:
        size = (detail.shape[2], detail.shape[3])
        fine = self.detail_kept(detail) * torch.sigmoid(enlarge(self.meaning_gate(meaning), size))
        coarse = self.detail_gate(detail) * torch.sigmoid(self.meaning_kept(meaning))
        return self.join(fine + enlarge(coarse, size))


class BiSeNetV2(nn.Module):
    """Images (B, 3, H, W) with sides that 32 divides -> logits (B, 1, H, W), four more in training."""

    def __init__(self, width: float) -> None:
        super().__init__()
        d1, d2 = (channels(n, width) for n in (64, 128))
        s1, s3, s4, s5 = (channels(n, width) for n in (16, 32, 64, 128))
        self.detail = nn.Sequential(
            *(conv(3, d1, stride=2), conv(d1, d1)),
            *(conv(d1, d1, stride=2), conv(d1, d1), conv(d1, d1)),
            *(conv(d1, d2, stride=2), conv(d2, d2), conv(d2, d2)),
        )
        self.meaning = nn.ModuleList(
            [
                Stem(s1),
                nn.Sequential(GatherExpand(s1, s3, 2), GatherExpand(s3, s3, 1)),
                nn.Sequential(GatherExpand(s3, s4, 2), GatherExpand(s4, s4, 1)),
                nn.Sequential(GatherExpand(s4, s5, 2), *(GatherExpand(s5, s5, 1) for _ in range(3))),
            ]
        )
        self.context = ContextEmbedding(s5)
        self.aggregate = GuidedAggregation(d2)
        self.head = head(d2, channels(1024, width))
        self.boosters = nn.ModuleList([head(n, channels(128, width)) for n in (s1, s3, s4, s5)])

    def forward(self, images: Tensor) -> list[Tensor]:
        levels, x = [], images
        for stage in self.meaning:
            x = stage(x)
            levels.append(x)
        logits = [self.head(self.aggregate(self.detail(images), self.context(x)))]
        if self.training:
            logits += [booster(level) for booster, level in zip(self.boosters, levels, strict=True)]
        return [enlarge(each, (images.shape[2], images.shape[3])) for each in logits]
