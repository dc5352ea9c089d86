"""The noise predictor: a U-Net with attention at its coarse levels, trained from nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Size = Literal["tiny", "paper"]


@dataclass(frozen=True)
class Widths:
    """channels: of each level; layers: blocks a level; groups: of the normalisation; rate: at which it learns."""

    channels: tuple[int, ...]
    layers: int
    groups: int
    rate: float


SIZES: dict[Size, Widths] = {
    "tiny": Widths((16, 32, 32), 1, 8, 1e-3),
    "paper": Widths((64, 128, 256, 256), 2, 32, 1e-4),
}
"""tiny: trains on two cores in minutes; paper: what the summaries let one suppose, for a GPU."""

_COARSE = 4
"""Attention is at levels that are so many times coarser than the patch: finer ones would cost most of the time."""


class NoisePredictor(nn.Module):
    """(x (B, 3, h, w), steps (B,)) -> noise (B, 3, h, w); a side is a multiple of 2 ** (levels - 1)."""

    def __init__(self, size: Size, patch: int) -> None:
        super().__init__()
        from diffusers.models.unets.unet_2d import UNet2DModel  # seconds to import

        widths = SIZES[size]
        attended = [2**level >= _COARSE for level in range(len(widths.channels))]
        build: Any = UNet2DModel
        self.unet = build(
            sample_size=patch,
            in_channels=3,
            out_channels=3,
            layers_per_block=widths.layers,
            block_out_channels=widths.channels,
            norm_num_groups=widths.groups,
            attention_head_dim=8,
            down_block_types=tuple("AttnDownBlock2D" if here else "DownBlock2D" for here in attended),
            up_block_types=tuple("AttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attended)),
        )

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        found: Tensor = self.unet(x, steps.to(x.device), return_dict=False)[0]
        return found


def new_predictor(size: Size, patch: int, seed: int) -> NoisePredictor:
    """A predictor with weights from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NoisePredictor(size, patch)
