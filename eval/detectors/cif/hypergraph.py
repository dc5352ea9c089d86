"""The hypergraph of one sample: tokens that look alike share an edge, and a token may lie in several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize


@dataclass(frozen=True)
class Hypergraph:
    """incidence (L, K) bool: the edges each token lies in; none on the background, at least one elsewhere, and no edge
    is empty. edge (L,) int64: the one edge that stands for the token, -1 on the background."""

    incidence: Tensor
    edge: Tensor

    @property
    def foreground(self) -> Tensor:
        """(L,) bool."""
        return self.edge >= 0

    @property
    def edges(self) -> int:
        return self.incidence.shape[1]


def build(
    tokens: Tensor, foreground: Tensor, edges: int, similar: float = 0.9, seed: int = 0, repo_ties: bool = False
) -> Hypergraph:
    """The hypergraph of tokens (L, C) float32 with foreground (L,) bool; CIF, semantic-aware hypergraph construction.

    k-means on the foreground gives `edges` centroids, at most as many as there are distinct tokens. The cosines of a
    token to them are stretched to [0, 1] over the centroids, and it lies in every edge that reaches `similar`: always
    in its best one. That one stands for the token; with `repo_ties` the first of its edges does, as in the released
    code, where the binary row is searched for its maximum. Sums are made in float64: neither threads nor batches show.
    """
    incidence = torch.zeros(len(tokens), 0, dtype=torch.bool, device=tokens.device)
    edge = torch.full((len(tokens),), -1, device=tokens.device)
    if not foreground.any():
        return Hypergraph(incidence, edge)
    inside = tokens[foreground].double()
    cosine = normalize(inside, dim=1) @ normalize(_centroids(inside, edges, seed), dim=1).T
    low, high = cosine.amin(1, keepdim=True), cosine.amax(1, keepdim=True)
    member = high - cosine <= (1 - similar) * (high - low)
    used = member.any(0)
    member, cosine = member[:, used], cosine[:, used]
    incidence = torch.zeros(len(tokens), member.shape[1], dtype=torch.bool, device=tokens.device)
    incidence[foreground] = member
    edge[foreground] = (member.int() if repo_ties else cosine).argmax(1)
    return Hypergraph(incidence, edge)


def edge_features(graph: Hypergraph, tokens: Tensor) -> Tensor:
    """E = D_e^-1 H^T D_v^-1/2 X, (K, C), of tokens (L, C): D_e the tokens of an edge, D_v the edges of a token. The
    tokens may be another modality's than the hypergraph was built on, and updated ones."""
    member = graph.incidence.to(tokens.dtype)
    per_token = member.sum(1, keepdim=True).clamp(min=1e-12).rsqrt()
    return member.T @ torch.where(graph.foreground[:, None], tokens * per_token, 0) / member.sum(0)[:, None]


def _centroids(tokens: Tensor, count: int, seed: int) -> Tensor:
    from sklearn.cluster import KMeans

    rows = tokens.cpu().numpy()
    distinct = len(np.unique(rows, axis=0)) if len(rows) > 1 else 1
    found = KMeans(min(count, distinct), random_state=seed, n_init="auto").fit(rows).cluster_centers_
    return torch.from_numpy(found).to(tokens.device)
