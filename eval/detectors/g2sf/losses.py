"""The five losses of G2SF; y (N,) bool says which cells are anomalous. A batch of one kind alone gives no NaN: what
compares the kinds is then 0."""

from __future__ import annotations

import torch
from torch import Tensor

from eval.detectors.g2sf.metric import E

FIRM = 1e-5
"""Added to squared distances below a fraction bar. [R]"""
LIGHTEST, HEAVIEST = 0.33, 3.0
"""Bounds of a cell's weight in `separation`. [R]"""
SLACK = 1.2
"""How much more than in proportion the distance to a near prototype may be. [R]"""


def separation(local: Tensor, anomalous: Tensor, margin: float, weighted: bool = True) -> Tensor:
    """L_sep: with D = l^2, the mean of D over normal cells and of relu(1 / D - 1 / margin) over anomalous ones;
    weighted by D^2 and D^-2 within bounds, as the released code does."""
    square = local.square()
    firm = square + FIRM
    apart = torch.relu(1 / firm - 1 / margin)
    if weighted:
        near = square * square.square().clip(LIGHTEST, HEAVIEST)
        apart = apart * firm.pow(-2).clip(LIGHTEST, HEAVIEST)
    else:
        near = square
    return torch.where(anomalous, apart, near).mean()


def overlap(local: Tensor, anomalous: Tensor) -> Tensor:
    """L_mar: with q the largest D of a normal cell and a the least of an anomalous one over q, the sum of relu(D / q -
    a) over normal cells and of relu(1 - D / q) over anomalous ones, over N."""
    square = local.square()
    if not anomalous.any() or anomalous.all():
        return 0 * square.sum()
    relative = square / square[~anomalous].max().clamp(min=FIRM)
    beyond = torch.relu(relative[~anomalous] - relative[anomalous].min()).sum()
    return (beyond + torch.relu(1 - relative[anomalous]).sum()) / len(local)


def scaling(factors: Tensor, anomalous: Tensor) -> Tensor:
    """L_sc: factors (N, 2) near e on anomalous cells, none above 1 on normal ones."""
    return _mean(E - factors[anomalous]) + _mean(torch.relu(factors[~anomalous] - 1))


def mismatch(factors: Tensor) -> Tensor:
    """L_cma: factors (N, 2) of features that do not belong together shall be near e."""
    return _mean(E - factors)


def mismatched(cells: Tensor, prototypes: Tensor, widths: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """What L_cma looks at: of the first half of the rows (N, C1 + C2), image and point features of cells are permuted,
    each on its own; of the second half those of the prototypes."""
    half = len(cells) // 2
    first, second = _permuted(cells[:half], widths), _permuted(prototypes[half:], widths)
    return torch.cat([first, cells[half:]]), torch.cat([prototypes[:half], second])


def consistency(local: Tensor, plain: Tensor) -> Tensor:
    """L_cns of distances (N, J) to prototypes by rank, with s (N, J), the mean of the two plain ones: in the nearer
    half of ranks j >= 1 relu(l_j - 1.2 (s_j / s_0) l_0), in the farther half relu(l_0 - l_j); means over ranks and
    cells. Cell by cell: the released code compares every cell with every other by a broadcast, O(N^2)."""
    nearest, others = local[:, :1], local[:, 1:]
    near = (others.shape[1] + 1) // 2
    proportion = plain[:, 1 : near + 1] / plain[:, :1].clamp(min=FIRM)
    far_off = torch.relu(others[:, :near] - SLACK * proportion * nearest)
    return _mean(far_off) + _mean(torch.relu(nearest - others[:, near:]))


def _permuted(rows: Tensor, widths: tuple[int, int]) -> Tensor:
    return torch.cat([part[torch.randperm(len(part))] for part in rows.split(widths, dim=1)], dim=1)


def _mean(values: Tensor) -> Tensor:
    """The mean, 0 of nothing."""
    return values.sum() / max(1, values.numel())
