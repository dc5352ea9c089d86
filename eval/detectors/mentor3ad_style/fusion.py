"""MFM: what both modalities share of a cell, learnt by telling cells apart, and the mentor made of it.

Sourced: F_mentor = MLP(MLP(F_image) + MLP(F_points)), learnt by patch-wise InfoNCE between the modalities. Everything
else is inferred: widths after M3DM, the sum read as a concatenation, the temperature. InfoNCE does not reach the outer
MLP, so that it stays a random projection of what both share.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from eval.detectors.mentor3ad_style.cells import Cells, spaced

IMAGES, CELLS = 16, 4096
"""Images of a step (M3DM), and cells of them at most. [I]"""


@dataclass(frozen=True)
class Fused:
    """image and points (N, J): what InfoNCE compares; mentor (N, D)."""

    image: Tensor
    points: Tensor
    mentor: Tensor


class Fusion(nn.Module):
    """phi of each modality: LN, C -> expansion C -> C -> joint, a GELU after the first; psi: 2 joint -> joint ->
    mentor with a GELU."""

    def __init__(self, widths: tuple[int, int], expansion: int, joint: int, mentor: int) -> None:
        super().__init__()
        self.image, self.points = (_encoder(width, expansion, joint) for width in widths)
        self.mentor = nn.Sequential(nn.Linear(2 * joint, joint), nn.GELU(), nn.Linear(joint, mentor))

    def forward(self, image: Tensor, points: Tensor) -> Fused:
        """Features (N, C1) and (N, C2) of the same cells."""
        one, other = self.image(image), self.points(points)
        return Fused(one, other, self.mentor(torch.cat([one, other], dim=1)))


def info_nce(image: Tensor, points: Tensor, temperature: float) -> Tensor:
    """The mean of -log softmax_j(cos(a_i, b_j) / temperature)[i] of (N, J) and (N, J), over both directions."""
    similar = normalize(image, dim=1) @ normalize(points, dim=1).T / temperature
    own = torch.arange(len(similar))
    return (cross_entropy(similar, own) + cross_entropy(similar.T, own)) / 2


def inconsistency(fused: Fused) -> Tensor:
    """e_M (N,): 1 - cos of what the modalities say of a cell."""
    return 1 - (normalize(fused.image, dim=1) * normalize(fused.points, dim=1)).sum(1)


def fusion_loss(fusion: Fusion, cells: Cells, temperature: float) -> Tensor:
    """InfoNCE over cells of up to IMAGES images, drawn from torch's global generator."""
    chosen = cells.part(spaced(cells, IMAGES, CELLS))
    fused = fusion(chosen.image, chosen.points)
    return info_nce(fused.image, fused.points, temperature)


def _encoder(width: int, expansion: int, joint: int) -> nn.Sequential:
    wide = expansion * width
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, wide), nn.GELU(), nn.Linear(wide, width), nn.Linear(width, joint)
    )
