from __future__ import annotations

import pytest
import torch

from eval.detectors.cif.hypergraph import edge_features
from eval.detectors.cif.memory import Memory, MemoryBuilder, johnson_lindenstrauss, thinned
from synth.errors import EvalError
from tests.eval.detectors.cif.scenes import EDGES, graph_of, memory_of, relabelled


def collected(graphs) -> MemoryBuilder:
    builder = MemoryBuilder()
    for tokens, graph in graphs:
        builder.add(graph, tokens)
    return builder


def rows_within(rows: torch.Tensor, bank: torch.Tensor) -> bool:
    """Whether each of rows (A, C) is one of the bank's (M, C), bit for bit."""
    known = {row.numpy().tobytes() for row in bank}
    return all(row.numpy().tobytes() in known for row in rows)


@pytest.mark.parametrize("target", [1, 5, 40, 97, 10_000])
def test_the_memory_has_the_target_rows_up_to_one_an_edge_and_all_of_them_are_training_rows(target):
    graphs = [graph_of(seed) for seed in range(3)]
    shown = torch.cat([tokens[graph.foreground] for tokens, graph in graphs])
    memory = collected(graphs).build(target, seed=0)
    assert abs(len(memory.rows) - min(target, len(shown))) <= EDGES
    assert torch.equal(torch.bincount(memory.edges) > 0, torch.ones(EDGES, dtype=torch.bool))
    assert rows_within(memory.rows, shown)
    assert len(memory.rows.unique(dim=0)) == len(memory.rows)


def test_edges_of_later_samples_join_the_edge_of_the_same_surface_whatever_their_numbers():
    graphs = [graph_of(seed) for seed in range(3)]
    shuffled = [graphs[0], *((tokens, relabelled(graph, torch.tensor([2, 0, 3, 1]))) for tokens, graph in graphs[1:])]
    ours, theirs = (collected(one).build(10_000, seed=0) for one in (graphs, shuffled))
    torch.testing.assert_close(ours.features(), theirs.features())
    for edge in range(EDGES):
        rows = ours.rows[ours.edges == edge]
        assert (rows - rows.mean(0)).norm(dim=1).max() < 2  # one prototype and its noise; prototypes are 15 apart


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [3, 2, 1, 0]])
def test_what_is_remembered_does_not_depend_on_the_numbers_of_the_edges(order):
    graphs = [graph_of(seed) for seed in range(3)]
    renamed = [(tokens, relabelled(graph, torch.tensor(order))) for tokens, graph in graphs]
    ours, theirs = (collected(one).build(40, seed=0) for one in (graphs, renamed))
    assert rows_within(ours.rows, theirs.rows)
    assert len(ours.rows) == len(theirs.rows)
    assert torch.equal(ours.edges, torch.tensor(order)[theirs.edges].sort().values)


def test_the_first_samples_edge_features_match_the_second_and_means_of_tokens_the_third():
    builder = MemoryBuilder()
    tokens, graph = graph_of(0, similar=0.2)
    builder.add(graph, tokens)
    torch.testing.assert_close(builder._features, edge_features(graph, tokens))
    builder.add(*reversed(graph_of(1)))
    everything = builder.build(10_000, seed=0)
    torch.testing.assert_close(builder._features, everything.features())


def test_an_edge_that_no_token_calls_its_own_leaves_no_gap_in_the_memory():
    tokens, graph = graph_of(0)
    graph.edge[graph.edge == 1] = 2
    memory = collected([(tokens, graph)]).build(40, seed=0)
    assert memory.count == EDGES - 1
    assert memory.features().isfinite().all()


def test_one_row_of_an_edge_is_its_medoid():
    rows = torch.tensor([[0.0], [1.0], [2.0], [9.0], [4.0]])
    assert thinned(Memory(rows, torch.zeros(5, dtype=torch.int64)), 1, seed=0).rows.tolist() == [[4.0]]


def test_samples_without_foreground_add_nothing_and_nothing_but_them_is_an_error():
    tokens, graph = graph_of(0)
    empty = graph_of(0)[1]
    empty.edge[:] = -1
    blank = type(empty)(empty.incidence[:, :0], empty.edge)
    alone, beside = collected([(tokens, graph)]), collected([(tokens, blank), (tokens, graph)])
    assert torch.equal(alone.build(40, 0).rows, beside.build(40, 0).rows)
    with pytest.raises(EvalError, match="foreground"):
        collected([(tokens, blank)]).build(40, 0)


def test_a_memory_is_the_same_for_the_same_seed():
    assert torch.equal(memory_of().rows, memory_of().rows)


def test_the_projection_of_784_rows_has_164_dimensions():
    assert johnson_lindenstrauss(784) == 164
