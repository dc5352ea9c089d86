"""Miniature linked features: points = tanh(A image) and noise, of few latent numbers a cell, on a grid of 8 x 8."""

from functools import lru_cache, partial

import torch

from eval.detectors.best_weights import Course, seeded, train
from eval.detectors.mentor3ad_style.cells import cells_of
from eval.detectors.mentor3ad_style.fusion import Fusion, fusion_loss
from eval.detectors.mentor3ad_style.guidance import Guidance, errors, guidance_loss, mentor_width

WIDTHS = (12, 10)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def linked(images, seed, noise=0.02):
    """Image (B, 8, 8, 12) and point features (B, 8, 8, 10)."""
    fixed, drawn = generator(9), generator(seed)
    spread, link = torch.randn(3, WIDTHS[0], generator=fixed), torch.randn(WIDTHS, generator=fixed) / 3
    image = torch.randn(images, 8, 8, 3, generator=drawn) @ spread
    return image, torch.tanh(image @ link) + noise * torch.randn(images, 8, 8, WIDTHS[1], generator=drawn)


def all_cells(images, seed, noise=0.02):
    image, points = linked(images, seed, noise)
    return cells_of(image, points, torch.ones(image.shape[:3], dtype=torch.bool), 0)


@lru_cache(maxsize=4)
def learnt(noise=0.02):
    """Fusion and guidance trained on 12 images."""
    width, cells = mentor_width(256, WIDTHS), all_cells(12, 1, noise)
    fusion = seeded(partial(Fusion, WIDTHS, 2, 16, width), 0)
    optimiser = torch.optim.AdamW(fusion.parameters(), lr=3e-3)
    train(fusion, optimiser, lambda: fusion_loss(fusion, cells, 0.1), Course("fusion", 40, 0), [], {})
    return fusion, guided(fusion, width, cells)


def guided(fusion, width, cells):
    made = seeded(partial(Guidance, WIDTHS, width, 64), 0)
    optimiser = torch.optim.Adam(made.parameters(), lr=3e-3)
    train(made, optimiser, lambda: guidance_loss(made, fusion, cells, 128), Course("guidance", 200, 0), [], {})
    return made


def point_errors(modules, image, points):
    fusion, guidance = modules
    return errors(guidance(image, points, fusion(image, points).mentor)[1], points)
