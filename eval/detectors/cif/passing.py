"""Training-free message passing between a test sample and the memory, over one hypergraph that joins both.

Nodes are the L test tokens and the A memory rows. Edges are the sample's, the memory's, one for every test token with
its nearest memory row and one for every memory row with its nearest test token. With H (N, E) their incidence,

    W = H D_e^-1 H^T,    A^ = D^-1/2 (W + I) D^-1/2,    S = a sum_(l<n) (1-a)^l A^^l + (1-a)^n A^^n

CIF forms the N x N matrices: O((L + A)^2 (L + A)) an image. The row sums of W + I are 1 + the number of edges of the
node, so that A^ x needs nothing but H, of which few entries are not zero: O(entries C), and the same result.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from eval.detectors.cif.hypergraph import Hypergraph
from eval.detectors.cif.memory import Memory
from eval.features.neighbours import nearest

CHANNELS = 64  # propagated at a time: bounds the memory to a few copies of (entries, CHANNELS)


@dataclass(frozen=True)
class Incidence:
    """The entries of a binary H (nodes, edges): entry k says that node[k] lies in edge[k]; both (entries,) int64."""

    node: Tensor
    edge: Tensor
    nodes: int
    edges: int


def update(tokens: Tensor, graph: Hypergraph, memory: Memory, layers: int = 1, keep: float = 0.9) -> Tensor:
    """The first L rows of S X, (L, C): test tokens (L, C) after `layers` messages, of which `keep`, a in the formula,
    stays with the token. The memory is not updated. The background has no edge of its own and takes part through its
    nearest row."""
    return passed(tokens, memory, joint_incidence(tokens, graph, memory), layers, keep)


def passed(tokens: Tensor, memory: Memory, joint: Incidence, layers: int, keep: float) -> Tensor:
    """The same along a joint hypergraph that is known: some channels at a time."""
    parts = zip(tokens.split(CHANNELS, dim=1), memory.rows.split(CHANNELS, dim=1), strict=True)
    return torch.cat([propagate(torch.cat(part), joint, layers, keep)[: len(tokens)] for part in parts], dim=1)


def propagate(values: Tensor, joint: Incidence, layers: int, keep: float) -> Tensor:
    """S x for values x (N, C)."""
    size = torch.bincount(joint.edge, minlength=joint.edges)[:, None]
    scale = (1 + torch.bincount(joint.node, minlength=joint.nodes)[:, None]).to(values.dtype).rsqrt()
    total = torch.zeros_like(values)
    for layer in range(layers):
        total += keep * (1 - keep) ** layer * values
        values = scale * values
        means = values.new_zeros(joint.edges, values.shape[1]).index_add_(0, joint.edge, values[joint.node]) / size
        values = scale * values.index_add(0, joint.node, means[joint.edge])
    return total.add_(values, alpha=(1 - keep) ** layers)


def joint_incidence(tokens: Tensor, graph: Hypergraph, memory: Memory) -> Incidence:
    """The joint hypergraph of tokens (L, C) and memory rows (A, C), test nodes first."""
    device, tests, rows = tokens.device, len(tokens), len(memory.rows)
    test, row = torch.arange(tests, device=device), torch.arange(rows, device=device)
    forward = nearest(tokens, memory.rows, metric="cosine")[1][:, 0]
    backward = nearest(memory.rows, tokens, metric="cosine")[1][:, 0]
    inside, sample_edge = graph.incidence.nonzero(as_tuple=True)
    structural = graph.edges + memory.count
    to_memory, to_test = structural + test, structural + tests + row
    return Incidence(
        node=torch.cat([inside, tests + row, test, tests + forward, tests + row, backward]),
        edge=torch.cat([sample_edge, graph.edges + memory.edges, to_memory, to_memory, to_test, to_test]),
        nodes=tests + rows,
        edges=structural + tests + rows,
    )
