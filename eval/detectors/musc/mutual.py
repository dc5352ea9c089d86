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
CLOSE = 1e-3  # squared distances under this share of the largest squared length are measured again


def mutual_distances(tokens: Tensor, lengths: Sequence[int], window: Tensor | None = None) -> list[Tensor]:
    """D of every image against all: tokens (sum of L_i, C) of N images one after the other, `lengths` their L_i ->
    (L_i, N) each, infinite in the column of the image itself. window (L, L) bool, symmetric: which cells may be
    compared (all where None)."""
    images = tokens.split(list(lengths))
    offsets = [0, *accumulate(lengths)]
    table = [torch.full((length, len(images)), torch.inf) for length in lengths]
    for first in range(len(images) - 1):
        for others, squared in _blocks(images[first], tokens, lengths, first + 1, window):
            seen = _nearest(squared.T, tokens[offsets[others.start] : offsets[others.stop]], images[first])
            sizes = [lengths[other] for other in others]
            for second, rows, columns in zip(others, squared.split(sizes, dim=1), seen.split(sizes), strict=True):
                table[first][:, second] = _nearest(rows, images[first], images[second])
                table[second][:, first] = columns
    return table


def distances_to(image: Tensor, tokens: Tensor, lengths: Sequence[int], window: Tensor | None = None) -> Tensor:
    """D of one image (L, C) against each of a pool of M, given as above: (L, M)."""
    pool, found = tokens.split(list(lengths)), []
    for others, squared in _blocks(image, tokens, lengths, 0, window):
        for other, rows in zip(others, squared.split([lengths[one] for one in others], dim=1), strict=True):
            found.append(_nearest(rows, image, pool[other]))
    return torch.stack(found, 1)


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
) -> Iterator[tuple[range, Tensor]]:
    """Squared distances (L, sum of L_j) to the images from `start` on, several in one product of matrices."""
    offsets = [0, *accumulate(lengths)]
    while start < len(lengths):
        room = offsets[start] + BLOCK // len(image)
        stop = max(start + 1, bisect_right(offsets, room) - 1)
        squared = _products(image, tokens[offsets[start] : offsets[stop]])
        if window is not None:
            squared.masked_fill_(~window.repeat(1, stop - start), torch.inf)
        yield range(start, stop), squared
        start = stop


def _nearest(squared: Tensor, tokens: Tensor, others: Tensor) -> Tensor:
    """Distance of each row to the nearest column: squared (L, L') of tokens (L, C) and (L', C) -> (L,).

    The product of matrices leaves a distance of 0 at a few hundredths: small ones are measured again from the tokens,
    and those that are not 0 sought in float64, since there the product does not tell which is the nearest."""
    nearest = squared.amin(1)
    close = (nearest < CLOSE * tokens.square().sum(1).amax()).nonzero().squeeze(1)
    if len(close):
        nearest[close] = (tokens[close] - others[squared[close].argmin(1)]).square().sum(1)
        close = close[nearest[close] > 0]
    if len(close):
        exact = _products(tokens[close].double(), others.double()).masked_fill_(squared[close].isinf(), torch.inf)
        nearest[close] = exact.amin(1).clamp(min=0).float()
    return nearest.sqrt()


def _products(tokens: Tensor, others: Tensor) -> Tensor:
    """Squared distances (L, L') of tokens (L, C) and (L', C) from one product of matrices."""
    return torch.addmm(others.square().sum(1), tokens, others.T, alpha=-2).add_(tokens.square().sum(1)[:, None])
