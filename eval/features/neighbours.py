"""Exact nearest neighbours by blocks: any number of queries against a bank of any size, in a fixed amount of memory.

The bank may lie in memory, on a disk (a numpy memmap, a tensor that safetensors mapped) or on a GPU, in half or single
precision; it is read once, block by block, and computed with in float32 where the queries lie. A product of matrices
ranks, which loses small distances (rows of norm 30 end up to 0.04 from themselves); so a few rows more than wanted are
selected and measured again, and a query whose order the rounding could still have changed is looked at once
more, row by row. What comes out depends neither on the size of the blocks nor on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from synth.errors import EvalError

Bank: TypeAlias = Tensor | np.ndarray
METRICS = ("l2", "cosine")
MAX_BYTES = 256 * 2**20
IN_CACHE = 2**22
"""Bytes of selected rows that are measured at once: what a processor keeps near."""
SPARE = 8
CAREFUL = 512


def nearest(
    queries: Tensor, bank: Bank, k: int = 1, metric: str = "l2", max_bytes: int = MAX_BYTES
) -> tuple[Tensor, Tensor]:
    """The k rows of bank (M, C) nearest to each of queries (Q, C): distances (Q, k) float32, rows (Q, k) int64, nearest
    first, the smaller row first among equals. cosine is 1 - cos, and 1 for a row of zeros. k is at most M. max_bytes
    bounds the memory of a block. EvalError for an empty bank, another number of channels and features that are not
    finite."""
    _check(queries, bank, k, metric)
    k = min(k, len(bank))
    queries = queries.float()
    count = min(k + SPARE, len(bank))
    ranking, rows, longest = _candidates(queries, bank, count, metric, max_bytes)
    distances = torch.empty(rows.shape, device=queries.device)
    step = max(1, min(max_bytes, IN_CACHE) // (8 * count * queries.shape[1]))
    for start in range(0, len(queries), step):
        chosen = slice(start, start + step)
        selected = rows_of(bank, rows[chosen], queries.device)
        distances[chosen], rows[chosen] = _in_order(_distance(queries[chosen], selected, metric), rows[chosen])
    if count < len(bank):
        limit = _ranking_of(distances[:, k - 1], queries, metric) + _rounding(queries, longest, metric)
        unsure = (limit >= ranking[:, -1]).nonzero()[:, 0]
        for part in unsure.split(CAREFUL) if len(unsure) else []:
            again = _all_within(queries[part], bank, limit[part], k, metric, max_bytes)
            distances[part, :k], rows[part, :k] = again
    return distances[:, :k], rows[:, :k]


def rows_of(bank: Bank, rows: Tensor, device: torch.device | str = "cpu") -> Tensor:
    """Rows of the bank, whose number of axes may be any: rows (...) int64 -> (..., C) float32 on the device; of a
    mapped file, no more than these rows is read."""
    if isinstance(bank, np.ndarray):
        return torch.from_numpy(np.asarray(bank[rows.cpu().numpy()], np.float32)).to(device)
    return bank[rows.to(bank.device)].to(device).float()


def unit(features: Tensor) -> Tensor:
    """Features (..., C) of length one; zeros stay zeros."""
    return features / features.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(features.dtype).tiny)


def _check(queries: Tensor, bank: Bank, k: int, metric: str) -> None:
    if metric not in METRICS:
        raise EvalError(f"there is no metric {metric}; there are {' and '.join(METRICS)}")
    if k < 1:
        raise EvalError(f"{k} neighbours were asked for; ask for at least one")
    if len(bank) == 0:
        raise EvalError("the bank of features is empty: fit on at least one good image")
    if queries.shape[1] != bank.shape[1]:
        raise EvalError(
            f"the queries have {queries.shape[1]} channels and the bank {bank.shape[1]}; take both from one network"
        )
    _finite(queries.square().sum(1), "queries")


def _finite(values: Tensor, what: str) -> None:
    if not torch.isfinite(values).all():
        raise EvalError(f"features of the {what} are not finite: look for a broken image, or for features beyond fp16")


def _blocks(bank: Bank, device: torch.device, max_bytes: int) -> Iterator[tuple[int, Tensor]]:
    """(first row, block (m, C) float32 on the device) over the bank; a block takes half of max_bytes."""
    step = max(1, max_bytes // (8 * bank.shape[1]))
    for start in range(0, len(bank), step):
        block = bank[start : start + step]
        if isinstance(block, np.ndarray):
            block = torch.from_numpy(np.array(block, np.float32))
        yield start, block.to(device).float()


def _candidates(queries: Tensor, bank: Bank, count: int, metric: str, max_bytes: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` rows of least ranking for each query: ranking and rows (Q, count), and the length of the longest."""
    best = queries.new_full((len(queries), count), torch.inf)
    rows = torch.full((len(queries), count), -1, device=queries.device)
    longest = queries.new_zeros(())
    prepared = unit(queries) if metric == "cosine" else queries
    for first, block in _blocks(bank, queries.device, max_bytes):
        squares = block.square().sum(1)
        _finite(squares, "bank")
        longest = torch.maximum(longest, squares.max().sqrt())
        block = unit(block) if metric == "cosine" else block
        step = max(1, max_bytes // (8 * len(block)))
        for start in range(0, len(queries), step):
            chosen = slice(start, start + step)
            ranking = _ranking(prepared[chosen], block, metric)
            ranking, found = ranking.topk(min(count, len(block)), largest=False)
            together = torch.cat([best[chosen], ranking], 1)
            best[chosen], order = together.topk(count, largest=False)
            rows[chosen] = torch.cat([rows[chosen], found + first], 1).gather(1, order)
    return best.sort(dim=1).values, rows, longest


def _ranking(queries: Tensor, block: Tensor, metric: str) -> Tensor:
    """What orders the rows (m, C) of a block for each query, (Q, m): |m|^2 - 2 qm, or -cos of what has length one."""
    if metric == "cosine":
        return -(queries @ block.T)
    return torch.addmm(block.square().sum(1), queries, block.T, alpha=-2)


def _ranking_of(distances: Tensor, queries: Tensor, metric: str) -> Tensor:
    """The ranking that belongs to a distance (Q,) of each query."""
    if metric == "cosine":
        return distances - 1
    return distances.square() - queries.square().sum(1)


def _rounding(queries: Tensor, longest: Tensor, metric: str) -> Tensor:
    """How far float32 may move a ranking (Q,): the usual growth with the root of the number of summands."""
    growth = torch.finfo(torch.float32).eps * (8 + queries.shape[1] ** 0.5)
    if metric == "cosine":
        return queries.new_full((len(queries),), growth)
    return growth * (queries.norm(dim=1) + longest).square()


def _distance(queries: Tensor, selected: Tensor, metric: str) -> Tensor:
    """Distances (Q, n) float32 of queries (Q, C) from rows (Q, n, C) of their own, summed in float64."""
    if metric == "cosine":
        one, other = queries.double()[:, None], selected.double()
        return (1 - (unit(one) * unit(other)).sum(-1)).clamp_min(0).float()
    return (queries[:, None] - selected).square_().sum(-1, dtype=torch.float64).sqrt().float()


def _in_order(distances: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Distances and rows (Q, n) sorted by distance, then by row."""
    rows, order = rows.sort(dim=1)
    distances, nearer = distances.gather(1, order).sort(dim=1, stable=True)
    return distances, rows.gather(1, nearer)


def _all_within(
    queries: Tensor, bank: Bank, limit: Tensor, k: int, metric: str, max_bytes: int
) -> tuple[Tensor, Tensor]:
    """The k nearest among all rows whose ranking is at most `limit` (Q,), each measured: where many rows are as good
    as equal, such as those of a flat background."""
    found = [(queries.new_empty(1, 0), torch.empty(1, 0, dtype=torch.int64, device=queries.device))] * len(queries)
    prepared = unit(queries) if metric == "cosine" else queries
    for first, block in _blocks(bank, queries.device, max_bytes // 4):
        rows = _without_repeats(block, k)
        block = block[rows]
        usable = unit(block) if metric == "cosine" else block
        for number, ranking in enumerate(_ranking(prepared, usable, metric)):
            near = (ranking <= limit[number]).nonzero()[:, 0]
            measured = _distance(queries[number][None], block[near][None], metric)
            together = (
                torch.cat([found[number][0], measured], 1),
                torch.cat([found[number][1], rows[near][None] + first], 1),
            )
            distances, order = _in_order(*together)
            found[number] = distances[:, :k], order[:, :k]
    return torch.cat([distances for distances, _ in found]), torch.cat([rows for _, rows in found])


def _without_repeats(block: Tensor, k: int) -> Tensor:
    """Rows of the block without those that k equal rows before them make superfluous, in order."""
    kinds, order = block.unique(dim=0, return_inverse=True)[1].sort(stable=True)
    starts = torch.searchsorted(kinds, kinds)
    return order[torch.arange(len(block), device=block.device) - starts < k].sort().values
