"""MGM: each modality is reconstructed from the other and the mentor.

The mentor holds the target too. A wide one lets the network copy what it should predict, anomalies included, also where
training withholds it from half of the cells. So it has at most half the width of the narrower modality, and is withheld
besides, so that the networks learn to do without.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from eval.detectors.mentor3ad_style.cells import Cells
from eval.detectors.mentor3ad_style.fusion import Fusion

WITHHELD = 0.5
"""Share of the cells whose mentor is withheld in training. [I]"""
NARROWER = 2
"""The mentor is at least so many times narrower than the narrower modality. [I]"""


class Guidance(nn.Module):
    """Two networks of three layers with GELU: image and mentor to points, points and mentor to image; CFM's, with the
    mentor beside the source. [I]"""

    def __init__(self, widths: tuple[int, int], mentor: int, hidden: int) -> None:
        super().__init__()
        image, points = widths
        self.to_points = _layers(image + mentor, hidden, points)
        self.to_image = _layers(points + mentor, hidden, image)

    def forward(self, image: Tensor, points: Tensor, mentor: Tensor) -> tuple[Tensor, Tensor]:
        """Image (N, C1) and points (N, C2) as the other modality and the mentor (N, D) have them."""
        return self.to_image(torch.cat([points, mentor], dim=1)), self.to_points(torch.cat([image, mentor], dim=1))


def guidance_loss(guidance: Guidance, fusion: Fusion, cells: Cells, batch: int) -> Tensor:
    """Mean of (1 - cos) of both reconstructions over cells drawn from torch's global generator."""
    chosen = cells.part(torch.randint(len(cells.owner), (batch,)))
    with torch.no_grad():
        mentor = fusion(chosen.image, chosen.points).mentor
    mentor = mentor * (torch.rand(len(mentor), 1) >= WITHHELD)
    image, points = guidance(chosen.image, chosen.points, mentor)
    apart = 2 - cosine_similarity(image, chosen.image) - cosine_similarity(points, chosen.points)
    return apart.mean()


def errors(made: Tensor, features: Tensor) -> Tensor:
    """e (N,) in [0, 2]: the distance of reconstruction and features (N, C) at length one, sqrt(2 - 2 cos)."""
    return torch.linalg.vector_norm(normalize(made, dim=1) - normalize(features, dim=1), dim=1)


def mentor_width(wanted: int, widths: tuple[int, int]) -> int:
    """The wanted width, or half that of the narrower modality where that is less: the leak guard."""
    return max(1, min(wanted, min(widths) // NARROWER))


def _layers(channels: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, out)
    )
