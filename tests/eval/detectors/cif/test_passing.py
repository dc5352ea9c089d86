from __future__ import annotations

import pytest
import torch
from torch import Tensor

from eval.detectors.cif.hypergraph import Hypergraph
from eval.detectors.cif.memory import Memory
from eval.detectors.cif.passing import update
from tests.eval.detectors.cif.scenes import graph_of, memory_of


def dense(tokens: Tensor, graph: Hypergraph, memory: Memory, layers: int, keep: float) -> Tensor:
    """The formula as published, with its N x N matrices, in float64."""
    test, rows = tokens.double(), memory.rows.double()
    cosine = torch.nn.functional.normalize(test, dim=1) @ torch.nn.functional.normalize(rows, dim=1).T
    tests, many = cosine.shape
    own = torch.cat([graph.incidence.double(), torch.zeros(many, graph.edges).double()])
    theirs = torch.cat([torch.zeros(tests, memory.count).double(), torch.eye(memory.count)[memory.edges].double()])
    forward = torch.cat([torch.eye(tests), torch.eye(many)[cosine.argmax(1)].T]).double()
    backward = torch.cat([torch.eye(tests)[cosine.argmax(0)].T, torch.eye(many)]).double()
    incidence = torch.cat([own, theirs, forward, backward], dim=1)
    weights = incidence / incidence.sum(0) @ incidence.T + torch.eye(tests + many).double()
    scale = weights.sum(1) ** -0.5
    smoothed = scale[:, None] * weights * scale
    power, total = torch.eye(tests + many).double(), torch.zeros(tests + many, tests + many).double()
    for layer in range(layers):
        total += keep * (1 - keep) ** layer * power
        power = power @ smoothed
    total += (1 - keep) ** layers * power
    return (total @ torch.cat([test, rows]))[:tests]


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
@pytest.mark.parametrize(("keep", "similar"), [(0.9, 0.9), (0.4, 0.2)])
def test_the_sparse_form_equals_the_dense_one(layers, keep, similar):
    tokens, graph = graph_of(9, similar=similar)
    memory = memory_of()
    expected = dense(tokens, graph, memory, layers, keep)
    found = update(tokens, graph, memory, layers, keep)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


def test_channels_do_not_mix_whatever_part_of_them_is_propagated_at_a_time(monkeypatch):
    tokens, graph = graph_of(9)
    memory = memory_of()
    whole = update(tokens, graph, memory, 2, 0.5)
    monkeypatch.setattr("eval.detectors.cif.passing.CHANNELS", 7)
    assert torch.equal(update(tokens, graph, memory, 2, 0.5), whole)


def test_a_token_that_keeps_all_of_itself_does_not_change():
    tokens, graph = graph_of(9)
    assert torch.equal(update(tokens, graph, memory_of(), 2, keep=1.0), tokens)


def test_the_memory_is_left_as_it_was_and_its_order_does_not_matter():
    tokens, graph = graph_of(9)
    memory = memory_of()
    before = memory.rows.clone()
    found = update(tokens, graph, memory, 2, 0.5)
    assert torch.equal(memory.rows, before)
    order = torch.randperm(len(before), generator=torch.Generator().manual_seed(1))
    shuffled = Memory(memory.rows[order], memory.edges[order])
    torch.testing.assert_close(update(tokens, graph, shuffled, 2, 0.5), found, atol=1e-5, rtol=1e-5)


def test_a_sample_without_foreground_and_tokens_of_zeros_pass_messages_without_nan():
    tokens, graph = graph_of(9)
    tokens[~graph.foreground] = 0
    blank = Hypergraph(graph.incidence[:, :0], torch.full_like(graph.edge, -1))
    for one in (graph, blank):
        assert update(tokens, one, memory_of(), 2, 0.5).isfinite().all()
