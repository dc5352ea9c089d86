"""Sparse convolution by voting (Wang and Posner 2015; Engelcke et al. 2016, arXiv 1609.06666, section III).

A dense convolution z_p = sum_o w_o h_(p + o) + b visits every cell of a grid; here every occupied cell q adds w_o h_q
to the cells q - o, which is the same sum without its zeros, at N K C_in C_out multiplications for N occupied cells and
K taps, whatever the size of the grid. The bias is added to cells that received a vote alone; where it is not above 0,
the others are 0 after the ReLU as in the dense form, so that the two agree on the whole grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from synth.errors import EvalError

TABLE = 2**25
"""Cells of the box around all votes up to which these are numbered by a table, not by sorting."""
AT_ONCE = 2**26
"""Numbers that a single product may hold; more are added tap by tap."""

Kernel = tuple[int, int, int]


@dataclass(frozen=True)
class Votes:
    """Where votes go, which depends on the geometry alone. rows (N, K) int64: the output row of each cell and tap,
    `len(coords)` where there is none; coords (M, 3) int64: the output's cells, in order; taps: votes that count."""

    rows: Tensor
    coords: Tensor
    taps: int

    def multiplications(self, inputs: int, outputs: int) -> int:
        """Multiplications of a convolution with so many channels."""
        return self.taps * inputs * outputs


def votes(coords: Tensor, dims: Kernel, kernel: Kernel, only: Tensor | None = None) -> Votes:
    """The votes of cells (N, 3) int64, different ones, of a grid of `dims` cells, under a kernel of odd sides. Those
    that leave the grid are lost, as are with `only` (P, 3) those for other cells; the output is then just these.
    EvalError for a cell that comes twice, one outside the grid, and an even side."""
    _check(coords, dims, kernel)
    if not len(coords):
        empty = coords if only is None else only
        return Votes(coords.new_empty(0, prod(kernel)), empty, 0)
    radius = torch.tensor([side // 2 for side in kernel], device=coords.device)
    low, high = coords.amin(0) - radius, coords.amax(0) + radius  # no vote leaves this box, so keys never wrap
    extent = high - low + 1
    strides = torch.stack([extent[1] * extent[2], extent[2], torch.ones_like(extent[0])])
    if float(extent.double().prod()) >= 2**62:
        raise EvalError(f"a grid of {extent.tolist()} cells cannot be numbered; take larger voxels")
    cells = int(extent.prod())
    own = ((coords - low) * strides).sum(1)
    if not bool((own.diff() > 0).all()) and len(own.unique()) < len(own):
        raise EvalError("a cell comes twice; add up the features of equal cells first")
    keys = own[:, None] - (_offsets(kernel, coords.device) * strides).sum(1)
    inside = _inside(coords, dims, kernel)
    if inside is not None:
        keys = torch.where(inside, keys, cells)
    wanted = None if only is None else _keys_within(only, low, extent, strides)
    found, rows = _by_table(keys, cells, wanted) if cells <= TABLE else _by_sorting(keys, cells, wanted)
    if only is not None:
        return Votes(rows, only, int((rows < len(only)).sum()))
    place = torch.stack([found // strides[0], found % strides[0] // strides[1], found % strides[1]], 1) + low
    return Votes(rows, place, rows.numel() if inside is None else int(inside.sum()))


def cast(features: Tensor, cast_by: Votes, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Features (M, C_out) of the output: features (N, C_in), weight (C_out, C_in, kx, ky, kz) as in `conv3d`, bias
    (C_out,). Half precision is summed in float32."""
    outputs, inputs = weight.shape[:2]
    taps = weight.flatten(2).permute(1, 2, 0)  # (C_in, K, C_out)
    total = features.new_zeros(len(cast_by.coords) + 1, outputs, dtype=_summed(features.dtype))
    if features.shape[0] * taps.shape[1] * outputs <= AT_ONCE:
        values = (features @ taps.reshape(inputs, -1)).view(-1, outputs)
        total = total.index_add(0, cast_by.rows.flatten(), values.to(total.dtype))
    else:
        for tap in range(taps.shape[1]):
            total = total.index_add(0, cast_by.rows[:, tap], (features @ taps[:, tap]).to(total.dtype))
    found = total[:-1].to(features.dtype)
    return found if bias is None else found + bias


def _check(coords: Tensor, dims: Kernel, kernel: Kernel) -> None:
    if any(side % 2 == 0 or side < 1 for side in kernel):
        raise EvalError(f"a kernel of {kernel} cells has no middle; take odd sides")
    if len(coords) and (bool((coords < 0).any()) or bool((coords >= torch.tensor(dims, device=coords.device)).any())):
        raise EvalError(f"cells lie outside their grid of {dims}; give their coordinates from 0 on")


def _offsets(kernel: Kernel, device: torch.device) -> Tensor:
    """(K, 3) int64: offset of each tap from the middle, in the order of the weight's own axes."""
    axes = [torch.arange(side, device=device) - side // 2 for side in kernel]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).view(-1, 3)


def _inside(coords: Tensor, dims: Kernel, kernel: Kernel) -> Tensor | None:
    """Which votes (N, K) stay in the grid; None where all do."""
    parts = []
    for axis, side in enumerate(kernel):
        target = coords[:, axis, None] - (torch.arange(side, device=coords.device) - side // 2)
        parts.append((target >= 0) & (target < dims[axis]))
    if all(bool(part.all()) for part in parts):
        return None
    x, y, z = parts
    return (x[:, :, None, None] & y[:, None, :, None] & z[:, None, None, :]).flatten(1)


def _keys_within(only: Tensor, low: Tensor, extent: Tensor, strides: Tensor) -> Tensor:
    """Keys (P,) of cells, -1 for those that no vote can reach."""
    near = only - low
    return torch.where(((near >= 0) & (near < extent)).all(1), (near * strides).sum(1), -1)


def _by_table(keys: Tensor, cells: int, wanted: Tensor | None) -> tuple[Tensor, Tensor]:
    """The different keys in order, those beyond the cells left out, and the row of each; time follows the box."""
    if wanted is None:
        occupied = torch.zeros(cells + 1, dtype=torch.bool, device=keys.device)
        occupied[keys.flatten()] = True
        wanted = occupied[:-1].nonzero()[:, 0]
    table = torch.full((cells + 1,), len(wanted), device=keys.device)
    reached = (wanted >= 0).nonzero()[:, 0]
    table[wanted[reached]] = reached
    return wanted, table[keys]


def _by_sorting(keys: Tensor, cells: int, wanted: Tensor | None) -> tuple[Tensor, Tensor]:
    """The same by sorting: time and memory follow the votes, whatever box they lie in."""
    if wanted is None:
        found, rows = keys.flatten().unique(return_inverse=True)
        return found[found < cells], rows.view_as(keys)
    ordered, order = wanted.sort()
    place = torch.searchsorted(ordered, keys).clamp(max=len(wanted) - 1)
    return wanted, torch.where(ordered[place] == keys, order[place], len(wanted))


def _summed(kind: torch.dtype) -> torch.dtype:
    return torch.float32 if kind in (torch.float16, torch.bfloat16) else kind
