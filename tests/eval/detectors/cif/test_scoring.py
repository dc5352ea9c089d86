from __future__ import annotations

import pytest
import torch

from eval.detectors.cif.hypergraph import Hypergraph
from eval.detectors.cif.memory import Memory
from eval.detectors.cif.passing import update
from eval.detectors.cif.scoring import PatchScores, image_score, patch_scores
from tests.eval.detectors.cif.scenes import EDGES, graph_of, memory_of, relabelled, sample


def planted(at: int, edge: int | None = None):
    """A sample whose token `at` looks like nothing known, filed under the edge of its neighbours or a given one."""
    tokens, graph = graph_of(9)
    tokens[at] += 3 * torch.randn(tokens.shape[1], generator=torch.Generator().manual_seed(5))
    if edge is not None:
        graph.edge[at] = edge
    return tokens, graph


@pytest.mark.parametrize("at", [16, 60, 100])
def test_a_planted_token_stands_out_and_the_background_scores_zero(at):
    tokens, graph = planted(at)
    memory = memory_of()
    score = patch_scores(update(tokens, graph, memory), graph, memory).score
    others = torch.cat([score[:at], score[at + 1 :]])
    assert graph.foreground[at]
    assert score.argmax() == at
    assert score[at] > 30 * others.max()
    assert (score[~graph.foreground] == 0).all()


@pytest.mark.parametrize("top_edges", [EDGES, EDGES + 3])
def test_with_all_edges_the_guided_search_is_the_search_of_the_whole_memory(top_edges):
    tokens, graph = planted(60)
    found = patch_scores(tokens, graph, memory_of(), top_edges)
    assert torch.equal(found.guided, found.anywhere)
    assert torch.equal(found.score, found.anywhere**2)


@pytest.mark.parametrize("top_edges", [1, 2, 3])
def test_with_fewer_edges_the_guided_search_finds_the_nearest_row_among_them_and_nothing_nearer(top_edges):
    tokens, inside = sample(9, noise=3.0)
    _, graph = graph_of(9)
    graph = Hypergraph(graph.incidence, torch.where(inside, (torch.arange(len(tokens)) % EDGES), -1))
    memory = memory_of()
    found = patch_scores(tokens, graph, memory, top_edges)
    assert (found.guided >= found.anywhere).all()
    assert (found.guided > found.anywhere).any()
    allowed = _allowed_by_hand(tokens, graph, memory, top_edges)
    apart = torch.cdist(tokens.double(), memory.rows.double())
    expected = apart.masked_fill(~allowed, torch.inf).amin(1).masked_fill(~graph.foreground, 0)
    torch.testing.assert_close(found.guided.double(), expected, atol=1e-5, rtol=1e-5)


def _allowed_by_hand(tokens, graph, memory, top_edges):
    member = graph.incidence.double()
    per_token = member.sum(1, keepdim=True).clamp(min=1e-12) ** -0.5
    features = (member.T @ (per_token * tokens.double())) / member.sum(0)[:, None]
    known = torch.stack([memory.rows[memory.edges == edge].double().mean(0) for edge in range(memory.count)])
    cosine = torch.nn.functional.cosine_similarity(features[:, None], known[None], dim=2)
    best = cosine.argsort(dim=1, descending=True)[:, :top_edges]
    return (memory.edges[None, None] == best[graph.edge.clamp(min=0)][:, :, None]).any(1)


def test_scores_depend_neither_on_the_order_of_the_memory_nor_on_the_numbers_of_edges():
    tokens, graph = planted(60)
    memory = memory_of()
    order = torch.randperm(len(memory.rows), generator=torch.Generator().manual_seed(1))
    names = torch.tensor([2, 0, 3, 1])
    for one, rows in [
        (graph, Memory(memory.rows[order], memory.edges[order])),
        (graph, Memory(memory.rows, names[memory.edges])),
        (relabelled(graph, names), memory),
    ]:
        first, second = patch_scores(tokens, graph, memory), patch_scores(tokens, one, rows)
        torch.testing.assert_close(second.score, first.score, atol=2e-6, rtol=1e-6)
        torch.testing.assert_close(image_score(second, tokens, rows), image_score(first, tokens, memory))


def test_the_image_score_is_the_highest_patch_score_weighted_by_the_neighbours_of_its_nearest_row():
    rows = torch.tensor([[0.0, 0.0], [0.0, 1.0], [3.0, 0.0], [-5.5, 0.0]])
    memory = Memory(rows, torch.tensor([0, 0, 0, 0]))
    tokens = torch.tensor([[0.0, 0.1], [-2.0, 0.0]])
    patches = PatchScores(torch.tensor([0.1, 2.0]), torch.tensor([0, 0]), torch.tensor([0.1, 3.0]))
    apart = torch.tensor([2.0, 5**0.5, 5.0])  # of the second token to the row nearest to it and that row's neighbours
    expected = 6 * (1 - apart.exp()[0] / apart.exp().sum())
    torch.testing.assert_close(image_score(patches, tokens, memory, neighbours=3), expected)


def test_a_memory_of_one_row_scores_by_distance_alone():
    memory = Memory(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
    graph = Hypergraph(torch.ones(3, 1, dtype=torch.bool), torch.zeros(3, dtype=torch.int64))
    tokens = torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]])
    assert image_score(patch_scores(tokens, graph, memory), tokens, memory) == 25


def test_a_training_sample_remembered_whole_scores_zero_everywhere():
    tokens, graph = graph_of(1)
    memory = memory_of(target=10_000)
    found = patch_scores(update(tokens, graph, memory, keep=1.0), graph, memory)
    assert (found.score == 0).all()
    assert image_score(found, tokens, memory) == 0


def test_a_sample_without_foreground_scores_zero():
    tokens, graph = graph_of(1)
    blank = Hypergraph(graph.incidence[:, :0], torch.full_like(graph.edge, -1))
    found = patch_scores(tokens, blank, memory_of())
    assert (found.score == 0).all()
    assert image_score(found, tokens, memory_of()) == 0
