"""Mutual scoring (MSM of MuSc-V2): a token is anomalous where most other images hold nothing like it.

D[i][l, j] = min over l' of ||z_i,l - z_j,l'||, and the score of token l of image i is the mean of the K smallest
D[i][l, :], since what is normal need not be seen in every image.

The distances between two images serve both: the smallest of each row is D of the one, the smallest of each column D of
the other. So every pair of images is measured once, and what is kept is N^2 L floats in all (N images of L tokens; 132
images of 784 tokens: 55 MB), beside one block of 16 MiB.

Breakdown point: of c images with the same defect each has c - 1 others that hold it, and as soon as c - 1 >= K nobody
is surprised: the defect is missed, in exact copies with score 0."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor

SHARE = 0.3  # K as a share of the other images
BLOCK = 2**22  # floats of the distances that are taken at once (16 MiB), or one image's where it has more
CLOSE = 1e-3  # squared distances under this share of the largest squared length are sought in float64


def mutual_distances(tokens: Tensor, lengths: Sequence[int], window: Tensor | None = None) -> list[Tensor]:
    """D of every image against all: tokens (sum of L_i, C) of N images one after the other, `lengths` their L_i ->
    (L_i, N) each, infinite in the column of the image itself. window (L, L) bool, symmetric: which cells may be
    compared (all where None)."""
    images = tokens.split(list(lengths))
    table = [torch.full((length, len(images)), torch.inf) for length in lengths]
    for first in range(len(images) - 1):
        for second, squared in _blocks(images[first], tokens, lengths, first + 1, window):
            table[first][:, second] = _nearest(squared, images[first], images[second])
            table[second][:, first] = _nearest(squared.T, images[second], images[first])
    return table


def distances_to(image: Tensor, tokens: Tensor, lengths: Sequence[int], window: Tensor | None = None) -> Tensor:
    """D of one image (L, C) against each of a pool of M, given as above: (L, M)."""
    pool = tokens.split(list(lengths))
    blocks = _blocks(image, tokens, lengths, 0, window)
    return torch.stack([_nearest(squared, image, pool[other]) for other, squared in blocks], 1)


def compared(others: int, share: float = SHARE) -> int:
    """K: with how many of its `others` a token is compared: their share, rounded down, at least 1. (The released code
    has no floor for a single modality and gives NaN up to four images.)"""
    return max(1, int(share * others + 1e-9))


def interval_mean(distances: Tensor, count: int) -> Tensor:
    """Mean of the `count` smallest of each row: (L, R) -> (L,)."""
    return distances.topk(count, dim=1, largest=False).values.mean(1)


def position_window(grid: tuple[int, int], radius: int) -> Tensor:
    """Which cells of a grid (h, w) lie within `radius` rows and columns of each other: (h w, h w) bool."""
    cells = torch.cartesian_prod(torch.arange(grid[0]), torch.arange(grid[1]))
    return (cells[:, None] - cells[None]).abs().amax(2) <= radius


def _blocks(
    image: Tensor, tokens: Tensor, lengths: Sequence[int], start: int, window: Tensor | None
) -> Iterator[tuple[int, Tensor]]:
    """Number and squared distances (L, L_j) of the images from `start` on, several in one product of matrices."""
    offsets = [0, *accumulate(lengths)]
    while start < len(lengths):
        room = offsets[start] + BLOCK // len(image)
        stop = max(start + 1, bisect_right(offsets, room) - 1)
        others = tokens[offsets[start] : offsets[stop]]
        squared = _products(image, others)
        for number, part in enumerate(squared.split(list(lengths[start:stop]), dim=1), start):
            yield number, part if window is None else part.masked_fill(~window, torch.inf)
        start = stop


def _nearest(squared: Tensor, tokens: Tensor, others: Tensor) -> Tensor:
    """Distance of each row to the nearest column: squared (L, L') of tokens (L, C) and (L', C) -> (L,).

    What the product of matrices leaves of a distance depends on how it was cut, and 0 comes out at a few hundredths:
    the nearest is measured again from the tokens, and small distances are sought in float64, since there the product
    does not tell which is the nearest."""
    nearest = (tokens - others[squared.argmin(1)]).square().sum(1)
    close = ((nearest > 0) & (nearest < CLOSE * tokens.square().sum(1).amax())).nonzero().squeeze(1)
    if len(close):
        exact = _products(tokens[close].double(), others.double()).masked_fill_(squared[close].isinf(), torch.inf)
        nearest[close] = exact.amin(1).clamp(min=0).float()
    return nearest.sqrt()


def _products(tokens: Tensor, others: Tensor) -> Tensor:
    """Squared distances (L, L') of tokens (L, C) and (L', C) from one product of matrices."""
    return torch.addmm(others.square().sum(1), tokens, others.T, alpha=-2).add_(tokens.square().sum(1)[:, None])
