"""Scores of the patches and of the image, searched in the whole memory and along the edges (CIF, hyperedge-guided
memory search)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from eval.detectors.cif.hypergraph import Hypergraph, edge_features
from eval.detectors.cif.memory import Memory, closest_edges
from eval.features.neighbours import nearest


@dataclass(frozen=True)
class PatchScores:
    """Of L patches: anywhere (L,), distance to the nearest memory row; row (L,) int64, which one; guided (L,), distance
    to the nearest row of the edges like the patch's own. All 0 on the background."""

    anywhere: Tensor
    row: Tensor
    guided: Tensor

    @property
    def score(self) -> Tensor:
        """(L,): anywhere x guided, never less than the square of the first."""
        return self.anywhere * self.guided


def patch_scores(updated: Tensor, graph: Hypergraph, memory: Memory, top_edges: int = 3) -> PatchScores:
    """Scores of updated tokens (L, C). A patch is searched among the rows of the `top_edges` memory edges of the
    highest cosine to its own edge; with all of them, guided equals anywhere."""
    anywhere, row = updated.new_zeros(len(updated)), graph.edge.clamp(max=0)
    inside = graph.foreground.nonzero()[:, 0]
    if not len(inside):
        return PatchScores(anywhere, row, anywhere.clone())
    distance, found = nearest(updated[inside], memory.rows)
    anywhere[inside], row[inside] = distance[:, 0], found[:, 0]
    row[~graph.foreground] = 0
    return PatchScores(anywhere, row, _guided(updated, graph, memory, top_edges, anywhere, row))


def _guided(
    updated: Tensor, graph: Hypergraph, memory: Memory, top_edges: int, anywhere: Tensor, row: Tensor
) -> Tensor:
    """Only a patch whose nearest row lies outside its edges is searched again."""
    guided = anywhere.clone()
    like = closest_edges(edge_features(graph, updated), memory.features(), top_edges)
    for edge, wanted in enumerate(like):
        allowed = torch.isin(memory.edges, wanted)
        again = ((graph.edge == edge) & ~allowed[row]).nonzero()[:, 0]
        if len(again):
            guided[again] = nearest(updated[again], memory.rows[allowed])[0][:, 0]
    return guided


def image_score(patches: PatchScores, tokens: Tensor, memory: Memory, neighbours: int = 9) -> Tensor:
    """The highest patch score s, re-weighted as in PatchCore, a scalar: w s with w = 1 - softmax_j(|x - m_j|)[0] over
    the `neighbours` rows m_j nearest to the patch's nearest row m_0, itself among them; x is the token before the
    message passing, tokens (L, C). A memory of one row leaves nothing to compare with: w = 1. Empty foreground: 0."""
    score = patches.score
    patch = int(score.argmax())
    own = memory.rows[patches.row[patch]][None]
    around = nearest(own, memory.rows, neighbours)[1][0]
    if len(around) == 1:
        return score[patch]
    apart = torch.linalg.vector_norm(memory.rows[around] - tokens[patch], dim=1)
    return score[patch] * (1 - apart.softmax(0)[0])
