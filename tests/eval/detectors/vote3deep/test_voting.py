"""The convolution by votes against the dense one."""

import pytest
import torch
from torch.nn import functional as F

from eval.detectors.vote3deep import voting
from eval.detectors.vote3deep.voting import cast, votes
from synth.errors import EvalError

DIMS = (7, 9, 8)


def scene(inputs=6, outputs=8, side=3, cells=60, dims=DIMS, dtype=torch.float32, seed=0):
    rng = torch.Generator().manual_seed(seed)
    place = torch.randperm(dims[0] * dims[1] * dims[2], generator=rng)[:cells]
    coords = torch.stack([place // (dims[1] * dims[2]), place // dims[2] % dims[1], place % dims[2]], 1)
    features = torch.randn(cells, inputs, generator=rng, dtype=dtype)
    weight = torch.randn(outputs, inputs, side, side, side, generator=rng, dtype=dtype) / (inputs * side**3) ** 0.5
    return coords, features, weight, -torch.rand(outputs, generator=rng, dtype=dtype)


def filled(coords, features, dims=DIMS):
    """The dense grid (1, C, x, y, z), through which gradients pass."""
    grid = features.new_zeros(*dims, features.shape[1])
    return grid.index_put(tuple(coords.T), features).movedim(3, 0)[None]


def at(dense, coords):
    """Values (N, C) of a dense grid (1, C, x, y, z) at cells (N, 3)."""
    return dense[0].movedim(0, -1)[tuple(coords.T)]


@pytest.mark.parametrize("way", ["table", "sorting"])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_it_equals_the_dense_form_on_voted_cells_and_after_the_relu_everywhere(side, way, monkeypatch):
    monkeypatch.setattr(voting, "TABLE", 2**25 if way == "table" else 0)
    coords, features, weight, bias = scene(side=side)
    cast_by = votes(coords, DIMS, (side,) * 3)
    found = cast(features, cast_by, weight, bias)
    dense = F.conv3d(filled(coords, features), weight, bias, padding=side // 2)
    assert (found - at(dense, cast_by.coords)).abs().max() < 5e-6
    grid = filled(cast_by.coords, F.relu(found))
    assert (grid - F.relu(dense)).abs().max() < 5e-6
    monkeypatch.setattr(voting, "AT_ONCE", 0)
    torch.testing.assert_close(cast(features, cast_by, weight, bias), found, rtol=0, atol=2e-6)


def test_a_bias_above_0_would_fill_the_grid():
    coords, features, weight, bias = scene(cells=4)
    cast_by = votes(coords, DIMS, (3, 3, 3))
    bias[0] = 0.5
    grid = filled(cast_by.coords, F.relu(cast(features, cast_by, weight, bias)))
    assert not torch.allclose(grid, F.relu(F.conv3d(filled(coords, features), weight, bias, padding=1)))


def test_gradients_equal_those_of_the_dense_form():
    coords, *given = scene(dtype=torch.float64, outputs=4)
    cast_by = votes(coords, DIMS, (3, 3, 3))
    sparse, dense = ([one.clone().requires_grad_() for one in given] for _ in range(2))
    F.relu(cast(sparse[0], cast_by, sparse[1], sparse[2])).square().sum().backward()
    F.relu(F.conv3d(filled(coords, dense[0]), dense[1], dense[2], padding=1)).square().sum().backward()
    for one, other in zip(sparse, dense, strict=True):
        assert (one.grad - other.grad).abs().max() < 1e-10


def test_a_lone_voter_writes_the_flipped_kernel():
    weight = torch.randn(1, 1, 3, 3, 3)
    cast_by = votes(torch.tensor([[3, 4, 4]]), DIMS, (3, 3, 3))
    assert torch.equal(cast(torch.ones(1, 1), cast_by, weight).view(3, 3, 3), weight[0, 0].flip(0, 1, 2))


@pytest.mark.parametrize("way", ["table", "sorting"])
def test_multiplications_are_counted_and_an_empty_grid_costs_nothing(way, monkeypatch):
    monkeypatch.setattr(voting, "TABLE", 2**25 if way == "table" else 0)
    coords = scene(cells=20)[0] + 2
    counts = []
    for extent in (13, 26, 10**6):
        found = votes(coords, (extent,) * 3, (3, 3, 3))
        counts.append((found.multiplications(6, 8), len(found.coords), found.rows.numel()))
    assert counts[0][0] == 20 * 27 * 6 * 8
    assert len(set(counts)) == 1
    apart = torch.cat([coords, coords + 500])
    twice = votes(apart, (1000,) * 3, (3, 3, 3))
    assert (twice.multiplications(6, 8), len(twice.coords)) == (2 * counts[0][0], 2 * counts[0][1])
    at_the_rim = votes(torch.tensor([[0, 4, 4]]), DIMS, (3, 3, 3))
    assert at_the_rim.multiplications(6, 8) == 18 * 6 * 8


def test_order_changes_nothing_and_translation_the_coordinates_alone():
    coords, features, weight, bias = scene()
    first = votes(coords, DIMS, (3, 3, 3))
    order = torch.randperm(len(coords))
    second = votes(coords[order], DIMS, (3, 3, 3))
    assert torch.equal(first.coords, second.coords)
    one, other = cast(features, first, weight, bias), cast(features[order], second, weight, bias)
    torch.testing.assert_close(one, other, rtol=0, atol=2e-6)
    wide = (40,) * 3
    still, moved = votes(coords + 5, wide, (3, 3, 3)), votes(coords + 9, wide, (3, 3, 3))
    assert torch.equal(still.coords + 4, moved.coords)
    assert torch.equal(cast(features, still, weight), cast(features, moved, weight))


def test_only_wanted_cells_are_evaluated(monkeypatch):
    coords, features, _, _ = scene()
    every = votes(coords, DIMS, (5, 5, 5))
    weight = torch.randn(1, 6, 5, 5, 5)
    wanted = torch.cat([coords[:30], torch.tensor([[0, 0, 0]])])
    dense = at(F.conv3d(filled(coords, features), weight, padding=2), wanted)
    for limit in (2**25, 0):
        monkeypatch.setattr(voting, "TABLE", limit)
        some = votes(coords, DIMS, (5, 5, 5), only=wanted)
        torch.testing.assert_close(cast(features, some, weight), dense, rtol=0, atol=2e-5)
        assert some.multiplications(6, 1) < every.multiplications(6, 1)


def test_nothing_in_gives_nothing_out():
    none = torch.empty(0, 3, dtype=torch.int64)
    empty = votes(none, DIMS, (3, 3, 3))
    assert cast(torch.empty(0, 6), empty, scene()[2]).shape == (0, 8)
    assert empty.multiplications(6, 8) == 0


@pytest.mark.parametrize(
    ("coords", "kernel", "said"),
    [
        ([[1, 1, 1], [2, 2, 2], [1, 1, 1]], (3, 3, 3), "comes twice"),
        ([[7, 1, 1]], (3, 3, 3), "outside their grid"),
        ([[-1, 1, 1]], (3, 3, 3), "outside their grid"),
        ([[1, 1, 1]], (3, 2, 3), "odd sides"),
    ],
)
def test_what_cannot_vote_is_refused(coords, kernel, said):
    with pytest.raises(EvalError, match=said):
        votes(torch.tensor(coords), DIMS, kernel)


def test_votes_reach_no_farther_than_the_kernel():
    coords = scene(cells=10)[0]
    found = votes(coords, DIMS, (5, 3, 1)).coords
    away = (found[:, None] - coords).abs()
    assert ((away <= torch.tensor([2, 1, 0])).all(2)).any(1).all()
