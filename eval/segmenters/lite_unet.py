"""A U-Net (Ronneberger et al. 2015) whose encoder is EfficientNet-Lite0 and has seen ImageNet; its decoder has few
channels. With few shots the encoder learns at a tenth of the decoder's rate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eval.features.efficientnet_lite import STAGES, EfficientNetLite0
from eval.segmenters.layers import conv, enlarge, expect_little

_DECODER = (48, 32, 16)
"""Channels at 1/8, 1/4 and 1/2."""


class LiteUnet(nn.Module):
    """Images (B, 3, H, W) with sides that 32 divides -> [logits (B, 1, H, W)]."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0()
        inputs = (STAGES[-1], *_DECODER)
        skipped = STAGES[-2::-1]
        self.joins = nn.ModuleList(
            [conv(above + beside, own) for above, beside, own in zip(inputs, skipped, _DECODER, strict=False)]
        )
        self.head = expect_little(nn.Conv2d(_DECODER[-1], 1, 3, padding=1))

    def forward(self, images: Tensor) -> list[Tensor]:
        *skipped, x = self.encoder(images)
        for join, beside in zip(self.joins, reversed(skipped), strict=True):
            x = join(torch.cat([enlarge(x, (beside.shape[2], beside.shape[3])), beside], 1))
        return [enlarge(self.head(x), (images.shape[2], images.shape[3]))]
