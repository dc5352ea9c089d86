"""The networks: reconstruction of either modality, and the discriminator over both, before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Size = Literal["tiny", "paper"]


@dataclass(frozen=True)
class Widths:
    """Channels of each level, the finest first: of the reconstruction of image and depth, and of the discriminator;
    rate: at which they learn."""

    image: tuple[int, ...]
    depth: tuple[int, ...]
    discriminator: tuple[int, ...]
    rate: float


def _widths(base: int, factors: Sequence[int]) -> tuple[int, ...]:
    return tuple(base * factor for factor in factors)


SIZES: dict[Size, Widths] = {
    "tiny": Widths((8, 16, 32), (8, 16, 16), (8, 16, 32), 2e-3),
    "paper": Widths(_widths(128, (1, 2, 4, 8, 8)), _widths(64, (1, 2, 4, 8, 8)), _widths(64, (1, 2, 4, 8, 8, 8)), 1e-4),
}
"""tiny: trains on two cores in minutes; paper: the widths of DRAEM, for a GPU."""


_DEFECT_ODDS = math.log(0.1 / 0.9)
"""What the discriminator says everywhere before it has learnt anything (the prior of Lin et al. 2017, section 4.1)."""


class Seen(NamedTuple):
    """What the networks make of a batch: image (B, 3, H, W) and depth (B, 1, H, W) as they would be good, and logits
    (B, 1, H, W) of a defect."""

    image: Tensor
    depth: Tensor
    logits: Tensor


class Block(nn.Sequential):
    """Two convolutions; groups rather than batches are normalised, so that a sample never feels its batch mates."""

    def __init__(self, inputs: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [
                nn.Conv2d(channels, outputs, 3, padding=1),
                nn.GroupNorm(max(1, outputs // 8), outputs),
                nn.ReLU(),
            ]
        super().__init__(*layers)


class Down(nn.Module):
    """(B, C, H, W) -> one map a level, each half as large as the one before."""

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(*pair) for pair in zip((inputs, *widths), widths, strict=False)])

    def forward(self, x: Tensor) -> list[Tensor]:
        levels: list[Tensor] = []
        for block in self.blocks:
            x = block(F.max_pool2d(x, 2, ceil_mode=True) if levels else x)
            levels.append(x)
        return levels


class Up(nn.Module):
    """The maps of `Down` -> (B, outputs, H, W); `joined`: finer maps are seen, else only the coarsest."""

    def __init__(self, widths: Sequence[int], outputs: int, joined: bool) -> None:
        super().__init__()
        self._joined = joined
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.blocks = nn.ModuleList([Block(above + (own if joined else 0), own) for above, own in pairs])
        self.last = nn.Conv2d(widths[0], outputs, 3, padding=1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        x = levels[-1]
        for block, beside in zip(self.blocks, levels[-2::-1], strict=True):
            x = F.interpolate(x, (beside.shape[2], beside.shape[3]), mode="bilinear", align_corners=False)
            x = block(torch.cat([x, beside], 1) if self._joined else x)
        out: Tensor = self.last(x)
        return out


class Reconstruction(nn.Module):
    """An autoencoder without skips, which would copy the defect."""

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.down, self.up = Down(channels, widths), Up(widths, channels, joined=False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.up(self.down(x))
        return found


class Discriminator(nn.Module):
    """Either modality before and after reconstruction, brought together at every level -> logits (B, 1, H, W)."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.image, self.depth = Down(6, widths), Down(2, widths)
        self.fuse = nn.ModuleList([nn.Conv2d(2 * width, width, 1) for width in widths])
        self.up = Up(widths, 1, joined=True)
        assert self.up.last.bias is not None
        nn.init.constant_(self.up.last.bias, _DEFECT_ODDS)

    def forward(self, image: Tensor, depth: Tensor) -> Tensor:
        pairs = zip(self.fuse, self.image(image), self.depth(depth), strict=True)
        found: Tensor = self.up([fuse(torch.cat(pair, 1)) for fuse, *pair in pairs])
        return found


class Das3dNetwork(nn.Module):
    """image (B, 3, H, W) and depth (B, 1, H, W) in [0, 1] -> `Seen`."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        widths = SIZES[size]
        self.image, self.depth = Reconstruction(3, widths.image), Reconstruction(1, widths.depth)
        self.discriminator = Discriminator(widths.discriminator)

    def forward(self, image: Tensor, depth: Tensor) -> Seen:
        good, level = self.image(image), self.depth(depth)
        logits = self.discriminator(torch.cat([image, good], 1), torch.cat([depth, level], 1))
        return Seen(good, level, logits)


def new_network(size: Size, seed: int) -> Das3dNetwork:
    """Networks with weights from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Das3dNetwork(size)
