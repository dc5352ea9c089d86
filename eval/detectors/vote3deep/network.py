"""The layers of Vote3Deep, and what each costs (Engelcke et al. 2016, section III and figure 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from eval.detectors.vote3deep.voting import Kernel, Votes, cast, votes
from eval.detectors.vote3deep.voxels import CHANNELS

Architecture = Literal["A", "B", "C", "D", "E"]
HIDDEN: dict[str, tuple[int, ...]] = {"A": (), "B": (3,), "C": (5,), "D": (3, 3), "E": (5, 3)}
"""Sides of the hidden kernels by the paper's names; A is Vote3D, which is linear."""


@dataclass(frozen=True)
class Cost:
    """What one layer took in, gave (after the ReLU) and multiplied, in cells and multiplications."""

    inputs: int
    outputs: int
    multiplications: int


@dataclass(frozen=True)
class Passed:
    """scores (N,) of the input's cells; magnitude: sum of all hidden features, which L1 makes small; costs by layer."""

    scores: Tensor
    magnitude: Tensor
    costs: list[Cost]


class VotingConv(nn.Module):
    """A kernel of votes with He's initial weights and a bias that is never above 0."""

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, side, side, side))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    @property
    def kernel(self) -> Kernel:
        side = self.weight.shape[2]
        return side, side, side

    def forward(self, features: Tensor, cast_by: Votes) -> Tensor:
        return cast(features, cast_by, self.weight, self.bias)

    @torch.no_grad()
    def clamp(self) -> None:
        """Bring the bias back to 0 or below: one that is above would fill the whole grid."""
        self.bias.clamp_(max=0)


class Vote3DeepNetwork(nn.Module):
    """Hidden layers of votes with a ReLU, from each of which only cells with a feature above 0 go on, and a linear last
    layer that is evaluated at the cells of the input alone."""

    scale: Tensor

    def __init__(self, architecture: Architecture, width: int, last: int) -> None:
        super().__init__()
        sides = HIDDEN[architecture]
        channels = [CHANNELS, *(width for _ in sides)]
        self.hidden = nn.ModuleList(
            VotingConv(given, width, side) for given, side in zip(channels[:-1], sides, strict=True)
        )
        self.last = VotingConv(channels[-1], 1, last)
        self.register_buffer("scale", torch.ones(CHANNELS))

    @property
    def margin(self) -> int:
        """Cells by which the hidden layers widen what is occupied."""
        return sum(layer.kernel[0] // 2 for layer in self.hidden)

    @property
    def field(self) -> int:
        """Side of the receptive field in cells."""
        return self.last.kernel[0] + 2 * self.margin

    def forward(self, coords: Tensor, dims: Kernel, features: Tensor) -> Passed:
        """coords (N, 3) int64 in order, features (N, 9)."""
        x, place, costs = features / self.scale, coords, []
        magnitude = x.new_zeros(())
        for layer in self.hidden:
            cast_by = votes(place, dims, layer.kernel)
            found = torch.relu(layer(x, cast_by))
            alive = (found > 0).any(1)
            costs.append(Cost(len(place), int(alive.sum()), cast_by.multiplications(x.shape[1], found.shape[1])))
            # A cell without a positive feature adds nothing, here and to gradients.
            x, place = found[alive], cast_by.coords[alive]
            magnitude = magnitude + x.sum()
        cast_by = votes(place, dims, self.last.kernel, only=coords)
        scores = self.last(x, cast_by)[:, 0]
        costs.append(Cost(len(place), len(coords), cast_by.multiplications(x.shape[1], 1)))
        return Passed(scores, magnitude, costs)

    def clamp(self) -> None:
        """Bring every bias of the hidden layers to 0 or below; the last layer is not followed by a ReLU."""
        for layer in self.hidden:
            layer.clamp()
