"""The unified distance of G2SF: of two modalities, scaled by factors that depend on direction and place.

Arrays of a cell are its image features and its point features side by side, (N, C1 + C2); `widths` are (C1, C2). A
prototype is a row of the image bank beside a row of the point bank, each the j-th nearest in its own bank.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

HIDDEN, EMBEDDED, DROPOUT = 512, 128, 0.5
LENGTH, LEAST_LENGTH = 5.0, 1e-3
"""Directions have length 5, those of cells closer than 1e-3 less. [R]"""
_STEEPEST = 20.0
"""Bound of the parameter of the shares, which keeps them above 0 in float32."""


@dataclass(frozen=True)
class Measured:
    """local (N,): the unified distance l; factors (N, 2): w of image and points, in (1/e, e); plain (N, 2): s, the
    distances of either modality over its typical one."""

    local: Tensor
    factors: Tensor
    plain: Tensor


class LocalScale(nn.Module):
    """LSPN: w = exp(tanh(head(A(direction), B(prototype)))), (N, 2). A and B are C -> 512 -> 128, the head 256 -> 256
    -> 2, with ReLU and dropout 0.5; 2.16 M parameters at C = 1920. [R]"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.direction, self.place = (_layers(channels, HIDDEN, EMBEDDED) for _ in range(2))
        self.head = _layers(2 * EMBEDDED, 2 * EMBEDDED, 2)

    def forward(self, direction: Tensor, prototypes: Tensor) -> Tensor:
        embedded = torch.cat([self.direction(direction), self.place(prototypes)], dim=1)
        return torch.exp(torch.tanh(self.head(embedded)))


class Metric(nn.Module):
    """l = sum_m share_m w_m s_m with s_m = |f_m - p_m| / typical_m. With w = 1 and equal shares it is the mean of the
    two; typical (2,) is the mean distance of good cells to their nearest rows."""

    typical: Tensor

    def __init__(self, widths: tuple[int, int], typical: Tensor) -> None:
        super().__init__()
        self.widths = widths
        self.scale = LocalScale(sum(widths))
        self.balance = nn.Parameter(torch.zeros(2))
        self.register_buffer("typical", typical)

    @property
    def shares(self) -> Tensor:
        """(2,): (tanh(g) + 1) / 2, scaled to sum 1."""
        # (tanh(g) + 1) / 2 = sigmoid(2 g), whose logarithm does not vanish where tanh is -1 in float32.
        return torch.softmax(nn.functional.logsigmoid(2 * self.balance.clamp(-_STEEPEST, _STEEPEST)), dim=0)

    def forward(self, cells: Tensor, prototypes: Tensor) -> Measured:
        """Cells and a prototype of each, (N, C1 + C2)."""
        plain = self.plain(cells, prototypes)
        factors = self.scale(directions(cells, prototypes), prototypes)
        return Measured((self.shares * factors * plain).sum(1), factors, plain)

    def plain(self, cells: Tensor, prototypes: Tensor) -> Tensor:
        """s of image and points, (N, 2)."""
        return distances(cells, prototypes, self.widths) / self.typical


def distances(cells: Tensor, prototypes: Tensor, widths: tuple[int, int]) -> Tensor:
    """|f - p| of image and points, (N, 2)."""
    parts = (cells - prototypes).split(widths, dim=1)
    return torch.stack([torch.linalg.vector_norm(part, dim=1) for part in parts], 1)


def directions(cells: Tensor, prototypes: Tensor) -> Tensor:
    """5 (f - p) / max(|f - p|, 1e-3) over both modalities at once, (N, C)."""
    away = cells - prototypes
    return LENGTH * away / torch.linalg.vector_norm(away, dim=1, keepdim=True).clamp(min=LEAST_LENGTH)


def typical_distances(nearest: Tensor) -> Tensor:
    """(2,): the mean of the nearest distances of good cells (N, 2), 1 where all of them are rows of the bank."""
    mean = nearest.mean(0)
    return torch.where(mean > 0, mean, torch.ones_like(mean))


def aggregated(local: Tensor, how: str) -> Tensor:
    """(N,): of the distances to J prototypes (N, J) the least, the first, the largest or their mean."""
    ways = {"min": local.amin, "max": local.amax, "mean": local.mean}
    return local[:, 0] if how == "first" else ways[how](1)


def jittered(rows: Tensor, widths: tuple[int, int], reach: Tensor) -> Tensor:
    """Rows (N, C1 + C2) moved in each modality by up to reach (2,), in directions of no preference; the released code
    draws directions without a negative component."""
    moved = []
    for part, far in zip(rows.split(widths, dim=1), reach, strict=True):
        towards = torch.randn_like(part)
        towards = towards / torch.linalg.vector_norm(towards, dim=1, keepdim=True).clamp(min=1e-12)
        moved.append(part + far * torch.rand(len(part), 1) * towards)
    return torch.cat(moved, dim=1)


def _layers(channels: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(hidden, out))


E = math.e
"""The largest factor."""
