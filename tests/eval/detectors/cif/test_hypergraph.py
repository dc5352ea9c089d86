from __future__ import annotations

import pytest
import torch

from eval.detectors.cif.hypergraph import build, edge_features
from tests.eval.detectors.cif.scenes import EDGES, graph_of, sample


def test_a_foreground_token_lies_in_its_own_edge_and_the_background_in_none():
    _tokens, inside = sample(0)
    _, graph = graph_of(0)
    assert torch.equal(graph.foreground, inside)
    assert torch.equal(graph.incidence.any(1), inside)
    assert graph.incidence[inside, graph.edge[inside]].all()
    assert graph.incidence.any(0).all()


def test_tokens_of_one_prototype_share_an_edge_and_others_do_not():
    _, graph = graph_of(0)
    rows = graph.edge.view(11, 14)[1:-1, 1:-1]
    assert (rows == rows[:, :1]).all()
    assert len(rows[:, 0].unique()) == EDGES


def test_membership_widens_with_a_lower_threshold_and_all_edges_are_reached_at_zero():
    tokens, inside = sample(0)
    members = [build(tokens, inside, EDGES, similar).incidence.sum() for similar in (1.0, 0.5, 0.0)]
    assert members[0] == inside.sum()
    assert members[0] <= members[1] <= members[2] == EDGES * inside.sum()


def test_with_repo_ties_a_token_goes_to_its_lowest_edge_and_else_to_the_most_similar():
    tokens, inside = sample(0, kinds=2, noise=2.0)
    ours, theirs = (build(tokens, inside, EDGES, 0.3, repo_ties=ties) for ties in (False, True))
    assert torch.equal(ours.incidence, theirs.incidence)
    lowest = ours.incidence[inside].int().argmax(1)
    assert torch.equal(theirs.edge[inside], lowest)
    assert (ours.edge[inside] != lowest).any()


@pytest.mark.parametrize("shown", [0, 1, 2, 3])
def test_fewer_foreground_tokens_than_edges_give_as_many_edges_as_there_are(shown):
    tokens, _ = sample(0)
    inside = torch.zeros(len(tokens), dtype=torch.bool)
    inside[20 : 20 + 30 * shown : 30] = True
    graph = build(tokens, inside, EDGES)
    assert graph.edges == shown
    assert graph.incidence.sum() >= inside.sum() == shown


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_blank_sample_has_one_edge(value, recwarn):
    tokens = torch.full((30, 8), value)
    graph = build(tokens, torch.ones(30, dtype=torch.bool), EDGES)
    assert graph.edges == 1
    assert graph.incidence.all()
    assert not recwarn.list


def test_a_centroid_that_is_nobodys_best_makes_no_edge():
    """Short tokens of two directions are one cluster, whose centroid points between them."""
    angle = torch.tensor(1.4)
    ends = torch.tensor([[angle.cos(), angle.sin()], [angle.cos(), -angle.sin()]])
    tokens = torch.cat([10 * ends, 0.1 * ends])
    graph = build(tokens, torch.ones(4, dtype=torch.bool), 3)
    assert graph.incidence.sum(0).tolist() == [2, 2]
    assert edge_features(graph, tokens).isfinite().all()


def test_edge_features_are_the_formula_written_with_matrices():
    tokens, graph = graph_of(0, similar=0.2)
    other = torch.randn(len(tokens), 7, generator=torch.Generator().manual_seed(4))
    member = graph.incidence.double()
    assert (graph.incidence.sum(1) > 1).any()
    per_edge, per_token = torch.diag(1 / member.sum(0)), torch.diag(member.sum(1).clamp(min=1e-12) ** -0.5)
    expected = per_edge @ member.T @ per_token @ other.double()
    torch.testing.assert_close(edge_features(graph, other).double(), expected, atol=1e-6, rtol=1e-5)
