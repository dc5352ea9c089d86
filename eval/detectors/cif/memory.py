"""The memory: tokens of the good samples by the edge that they lie in, thinned out edge by edge.

Edges of samples are brought together by their features, so that an edge of the memory means one kind of surface in all
samples. What the first sample calls an edge stays one; a later sample adds tokens and no edges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from eval.detectors.cif.hypergraph import Hypergraph, edge_features
from eval.features.coreset import coreset
from synth.errors import EvalError


@dataclass(frozen=True)
class Memory:
    """rows (A, C) float32: tokens of good samples, bit for bit; edges (A,) int64 in 0..K-1: the edge of each, and none
    of the K is without rows."""

    rows: Tensor
    edges: Tensor

    @property
    def count(self) -> int:
        """K, how many edges there are."""
        return int(self.edges.max()) + 1

    def features(self) -> Tensor:
        """(K, C): the mean of the rows of every edge."""
        return _means(self.rows, self.edges, self.count)


class MemoryBuilder:
    """Takes good samples one after the other, in the order that decides which edges there are (structural-guided
    memory of CIF, its first half)."""

    def __init__(self) -> None:
        self._rows: list[Tensor] = []
        self._edges: list[Tensor] = []
        self._features: Tensor | None = None
        self._sums: Tensor | None = None
        self._sizes: Tensor | None = None

    def add(self, graph: Hypergraph, tokens: Tensor) -> None:
        """Take the foreground of one sample, tokens (L, C). Each of its edges goes to the memory edge of the highest
        cosine, whose feature is from then on the mean of its tokens; the first sample's edges are the memory's."""
        if not graph.edges:
            return
        rows, edges = tokens[graph.foreground], graph.edge[graph.foreground]
        features = edge_features(graph, tokens)
        if self._features is None or self._sums is None or self._sizes is None:
            self._features = features
            self._sums, self._sizes = torch.zeros_like(features), torch.zeros_like(features[:, 0])
            self._take(rows, edges)
            return
        self._take(rows, closest_edges(features, self._features, 1)[edges, 0])
        known = self._sizes > 0
        self._features[known] = self._sums[known] / self._sizes[known, None]

    def _take(self, rows: Tensor, edges: Tensor) -> None:
        assert self._sums is not None
        assert self._sizes is not None
        self._rows.append(rows)
        self._edges.append(edges)
        self._sums.index_add_(0, edges, rows)
        self._sizes.index_add_(0, edges, torch.ones_like(rows[:, 0]))

    def build(self, target: int, seed: int) -> Memory:
        """About `target` rows of all that were taken, see `thinned`. EvalError where no sample had a foreground."""
        if not self._rows:
            raise EvalError(
                "no good sample shows any foreground, so there is nothing to remember; set foreground to all"
            )
        edges = torch.unique(torch.cat(self._edges), return_inverse=True)[1]
        return thinned(Memory(torch.cat(self._rows), edges), target, seed)


def thinned(memory: Memory, target: int, seed: int) -> Memory:
    """`target` rows, each edge keeping its share and never less than one: the medoid where it is one, else a k-centre
    coreset chosen on a random projection. Off by at most the number of edges through rounding; no more than there are.
    Every edge draws from the same seed, so that their numbers do not matter."""
    kept = []
    for edge in range(memory.count):
        members = (memory.edges == edge).nonzero()[:, 0]
        count = max(1, round(len(members) * target / len(memory.rows)))
        kept.append(members[_chosen(memory.rows[members], count, seed)])
    chosen = torch.cat(kept)
    return Memory(memory.rows[chosen], memory.edges[chosen])


def closest_edges(features: Tensor, known: Tensor, count: int) -> Tensor:
    """(K, min(count, M)) int64: for every edge feature (K, C) the known ones (M, C) of the highest cosine."""
    cosine = normalize(features.double(), dim=1) @ normalize(known.double(), dim=1).T
    return cosine.topk(min(count, len(known)), dim=1).indices


def _chosen(rows: Tensor, count: int, seed: int) -> Tensor:
    if count >= len(rows):
        return torch.arange(len(rows), device=rows.device)
    if count == 1:
        return _medoid(rows)[None]
    dims = johnson_lindenstrauss(len(rows))
    return coreset(rows, count, seed, dims if dims < rows.shape[1] else None).sort().values


def _medoid(rows: Tensor) -> Tensor:
    """The row whose farthest fellow is nearest, of rows (M, C), M x M in parts."""
    return torch.cat([torch.cdist(part, rows).amax(1) for part in rows.split(256)]).argmin()


def johnson_lindenstrauss(rows: int, strain: float = 0.9) -> int:
    """Dimensions of a random projection that keeps all squared distances among `rows` points to 1 +- strain."""
    return max(1, int(4 * math.log(max(rows, 2)) / (strain**2 / 2 - strain**3 / 3)))


def _means(rows: Tensor, edges: Tensor, count: int) -> Tensor:
    sums = torch.zeros(count, rows.shape[1], dtype=rows.dtype, device=rows.device).index_add_(0, edges, rows)
    return sums / torch.bincount(edges, minlength=count)[:, None]
