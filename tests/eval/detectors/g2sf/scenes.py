"""Miniature features of two modalities for G2SF: good cells on a ring in each, anomalous ones outside of it."""

import torch

from eval.detectors.g2sf.fitting import Banks, Mined
from eval.features.neighbours import nearest

WIDTHS = (2, 2)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def ring(count, seed, outwards=0.0):
    """(count, 4): places on a ring of radius 1 in both modalities with noise, `outwards` farther out."""
    drawn = generator(seed)
    angle = torch.rand(count, generator=drawn) * 2 * torch.pi
    place = (1 + outwards) * torch.stack([angle.cos(), angle.sin()], 1)
    return torch.cat([place, place.flip(1)], 1) + 0.08 * torch.randn(count, 4, generator=drawn)


def banks(count=60):
    rows = ring(count, 0)
    return Banks(rows[:, :2].contiguous(), rows[:, 2:].contiguous())


def nearest_rows(cells, known, count):
    """(N, count, 2): rows of both banks by rank."""
    pairs = zip(cells.split(2, 1), (known.image, known.points), strict=True)
    return torch.stack([nearest(part, bank, count)[1] for part, bank in pairs], -1)


def mined(known, normal, anomalous, seed, ranks=2, outwards=0.25):
    cells = torch.cat([ring(normal, seed), ring(anomalous, seed + 1, outwards)])
    return Mined(cells, torch.arange(len(cells)) >= normal, nearest_rows(cells, known, ranks + 1))
