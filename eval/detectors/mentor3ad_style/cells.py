"""The cells of good samples that have points, with their places: what both stages learn from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

APART = 2
"""Rows and columns between the cells of one image that are told apart: neighbours look too much alike. [I]"""


@dataclass(frozen=True)
class Cells:
    """N cells: image (N, C1), points (N, C2), owner (N,) int64, the number of its image, and place (N, 2), its row and
    column."""

    image: Tensor
    points: Tensor
    owner: Tensor
    place: Tensor

    def part(self, chosen: Tensor) -> Cells:
        return Cells(self.image[chosen], self.points[chosen], self.owner[chosen], self.place[chosen])


def cells_of(image: Tensor, points: Tensor, valid: Tensor, first: int) -> Cells:
    """The cells with points of images (B, h, w, C1) and (B, h, w, C2), valid (B, h, w) bool; the images are numbered
    from `first` on."""
    owner, *place = valid.nonzero(as_tuple=True)
    return Cells(image[valid], points[valid], owner + first, torch.stack(place, dim=1))


def joined(parts: list[Cells], most: int, seed: int) -> Cells:
    """All of them, or `most` drawn at random, in order."""
    image, points, owner, place = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("image", "points", "owner", "place")
    )
    order = torch.randperm(len(owner), generator=torch.Generator().manual_seed(seed))
    return Cells(image, points, owner, place).part(order[:most].sort().values)


def split(cells: Cells, share: int, seed: int) -> tuple[Cells, Cells]:
    """The cells of most images, and of one image of `share`; twice all of them where there are fewer images."""
    owners = cells.owner.unique()
    kept = len(owners) // share
    if not kept:
        return cells, cells
    order = torch.randperm(len(owners), generator=torch.Generator().manual_seed(seed))
    apart = torch.isin(cells.owner, owners[order[:kept]])
    return cells.part(~apart), cells.part(apart)


def spaced(cells: Cells, images: int, most: int) -> Tensor:
    """Up to `most` cells of up to so many images, int64: cells of one image are at least APART rows or columns from
    each other. Drawn from torch's global generator."""
    owners = cells.owner.unique()
    chosen = owners[torch.randperm(len(owners))[:images]]
    phase = torch.randint(APART, (2,))
    fits = torch.isin(cells.owner, chosen) & (cells.place % APART == phase).all(1)
    found = fits.nonzero()[:, 0]
    return found[torch.randperm(len(found))[:most]]
