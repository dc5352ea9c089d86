"""Samples of a few kinds of surface, as tokens: prototypes plus noise, on a grid that is not square."""

from __future__ import annotations

import torch
from torch import Tensor

from eval.detectors.cif.hypergraph import Hypergraph, build
from eval.detectors.cif.memory import Memory, MemoryBuilder

GRID = (11, 14)
EDGES = 4


def sample(seed: int, channels: int = 24, noise: float = 0.1, kinds: int = EDGES) -> tuple[Tensor, Tensor]:
    """tokens (L, C) of `kinds` prototypes, the same for every seed, in bands of rows; foreground (L,): not the rim."""
    height, width = GRID
    prototypes = 3 * torch.randn(kinds, channels, generator=torch.Generator().manual_seed(77))
    band = (torch.arange(height) * kinds // height)[:, None].expand(height, width)
    rng = torch.Generator().manual_seed(seed)
    tokens = prototypes[band] + noise * torch.randn(height, width, channels, generator=rng)
    inside = torch.zeros(GRID, dtype=torch.bool)
    inside[1:-1, 1:-1] = True
    return tokens.flatten(0, 1), inside.flatten()


def graph_of(seed: int, **settings: object) -> tuple[Tensor, Hypergraph]:
    tokens, inside = sample(seed)
    return tokens, build(tokens, inside, EDGES, **settings)  # type: ignore[arg-type]


def memory_of(seeds: range = range(3), target: int = 40) -> Memory:
    builder = MemoryBuilder()
    for seed in seeds:
        tokens, graph = graph_of(seed)
        builder.add(graph, tokens)
    return builder.build(target, seed=0)


def relabelled(graph: Hypergraph, order: Tensor) -> Hypergraph:
    """The same hypergraph, its edge order[k] now called k."""
    new = torch.empty_like(order)
    new[order] = torch.arange(len(order))
    edge = torch.where(graph.edge >= 0, new[graph.edge.clamp(min=0)], -1)
    return Hypergraph(graph.incidence[:, order], edge)
