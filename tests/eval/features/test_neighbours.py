import itertools

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from eval.features.coreset import coreset
from eval.features.neighbours import nearest
from synth.errors import EvalError


def features(kind: str, rows: int, channels: int, seed: int) -> torch.Tensor:
    """random: far from the origin, where products lose small distances; duplicated: three vectors, each many times;
    zero: half the rows."""
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(rows, channels, generator=generator)
    if kind == "random":
        return made + 5
    if kind == "duplicated":
        return made[:3].repeat(-(-rows // 3), 1)[:rows] + 5
    made[::2] = 0
    return made


def brute_force(queries, bank, k, metric):
    one, other = queries.double()[:, None], bank.double()[None]
    if metric == "l2":
        distances = (one - other).square().sum(-1).sqrt()
    else:
        lengths = (one.norm(dim=-1) * other.norm(dim=-1)).clamp_min(1e-300)
        distances = (1 - (one * other).sum(-1) / lengths).clamp_min(0)
    distances = distances.float()
    rows = distances.sort(dim=1, stable=True).indices[:, :k]
    return distances.gather(1, rows), rows


def same(one, other) -> bool:
    """Neighbours bit by bit alike: distances and rows."""
    return all(torch.equal(first, second) for first, second in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", ["random", "duplicated", "zero"])
@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("k", [1, 9])
def test_neighbours_equal_a_brute_force_in_double_precision_with_ties_to_the_smaller_row(kind, metric, k):
    bank = features(kind, 211, 17, seed=1)
    queries = torch.cat([features(kind, 23, 17, seed=2), bank[50:80]])
    distances, rows = nearest(queries, bank, k, metric)
    expected, expected_rows = brute_force(queries, bank, k, metric)
    assert torch.allclose(distances, expected, atol=1e-7, rtol=1e-6)
    assert (rows == expected_rows).all()
    assert (distances.dtype, rows.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("kind", ["random", "duplicated", "zero"])
def test_the_size_of_the_blocks_changes_nothing(kind, metric):
    bank, queries = features(kind, 83, 17, seed=1), features(kind, 12, 17, seed=1)
    whole = nearest(queries, bank, 5, metric)
    for rows in (1, 7, 83, 1000):
        assert same(nearest(queries, bank, 5, metric, max_bytes=rows * 8 * 17), whole), rows


def test_a_row_of_great_norm_is_at_distance_0_from_itself():
    bank = features("random", 400, 64, seed=3) * 30
    distances, rows = nearest(bank, bank, 1)
    assert same((distances, rows), (torch.zeros(400, 1), torch.arange(400)[:, None]))


def test_nearly_equal_rows_are_told_apart_however_many_there_are():
    generator = torch.Generator().manual_seed(4)
    bank = torch.full((500, 32), 30.0) + 1e-4 * torch.randn(500, 32, generator=generator)
    queries = bank[[3, 77, 401]]
    distances, rows = nearest(queries, bank, 3)
    expected, expected_rows = brute_force(queries, bank, 3, "l2")
    assert torch.equal(rows, expected_rows)
    assert torch.allclose(distances, expected, rtol=1e-5, atol=0)


def test_more_neighbours_than_rows_gives_every_row():
    bank = features("random", 4, 3, seed=5)
    distances, rows = nearest(bank[:2], bank, 10)
    assert distances.shape == rows.shape == (2, 4)
    assert rows.sort(dim=1).values.tolist() == [[0, 1, 2, 3]] * 2


def test_a_bank_may_be_half_precision_and_mapped_from_a_file(tmp_path):
    half = features("random", 300, 17, seed=6).half()
    queries = features("random", 20, 17, seed=7)
    expected = nearest(queries, half.float(), 3)
    half.numpy().tofile(tmp_path / "bank.bin")
    save_file({"bank": half}, tmp_path / "bank.safetensors")
    banks = [
        half,
        np.memmap(tmp_path / "bank.bin", np.float16, "r", shape=(300, 17)),
        load_file(tmp_path / "bank.safetensors")["bank"],
    ]
    if torch.cuda.is_available():
        banks.append(half.cuda())
    for bank in banks:
        assert same(nearest(queries, bank, 3, max_bytes=10_000), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_where_the_bank_and_the_queries_lie_changes_nothing():
    bank, queries = features("random", 300, 17, seed=6), features("random", 20, 17, seed=7)
    distances, rows = nearest(queries, bank, 3)
    for one, other in itertools.product((queries, queries.cuda()), (bank, bank.cuda())):
        again = nearest(one, other, 3)
        assert torch.allclose(again[0].cpu(), distances, atol=1e-6)
        assert torch.equal(again[1].cpu(), rows)
        assert again[0].device == one.device


def test_threads_change_nothing():
    bank, queries = features("random", 3000, 40, seed=8), features("random", 50, 40, seed=9)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = (*nearest(queries, bank, 4), coreset(bank, 50, seed=0, project_to=8))
        torch.set_num_threads(2)
        two = (*nearest(queries, bank, 4), coreset(bank, 50, seed=0, project_to=8))
    finally:
        torch.set_num_threads(before)
    assert same(one, two)


@pytest.mark.parametrize(
    ("queries", "bank", "settings", "said"),
    [
        (torch.ones(2, 3), torch.ones(0, 3), {}, "empty"),
        (torch.ones(2, 3), torch.ones(4, 5), {}, "3 channels and the bank 5"),
        (torch.ones(2, 3), torch.ones(4, 3), {"metric": "cos"}, "no metric cos"),
        (torch.ones(2, 3), torch.ones(4, 3), {"k": 0}, "at least one"),
        (torch.full((2, 3), torch.nan), torch.ones(4, 3), {}, "queries are not finite"),
        (torch.ones(2, 3), torch.full((4, 3), torch.nan), {}, "bank are not finite"),
        (torch.ones(2, 3), torch.full((4, 3), torch.inf).half(), {"metric": "cosine"}, "bank are not finite"),
    ],
)
def test_what_cannot_be_compared_is_told(queries, bank, settings, said):
    with pytest.raises(EvalError, match=said):
        nearest(queries, bank, **settings)


def radius(points: torch.Tensor, chosen) -> float:
    return float(torch.cdist(points.double(), points[list(chosen)].double()).min(1).values.max())


@pytest.mark.parametrize("seed", range(6))
def test_a_coreset_covers_within_twice_the_optimum(seed):
    points = torch.randn(11, 2, generator=torch.Generator().manual_seed(seed))
    best = min(radius(points, rows) for rows in itertools.combinations(range(11), 3))
    assert radius(points, coreset(points, 3, seed=seed).tolist()) <= 2 * best + 1e-6


def test_a_coreset_takes_every_distinct_row_before_any_duplicate():
    distinct = features("random", 9, 5, seed=10) * 30
    points = distinct.repeat(20, 1)[torch.randperm(180, generator=torch.Generator().manual_seed(0))]
    rows = coreset(points, 9, seed=1)
    assert len(points[rows].unique(dim=0)) == 9
    assert len(coreset(points, 30, seed=1).unique()) == 30


def test_a_smaller_coreset_begins_a_larger_one_and_the_seed_alone_starts_it():
    points = features("random", 200, 6, seed=11)
    assert coreset(points, 5, seed=2).tolist() == coreset(points, 20, seed=2)[:5].tolist()
    assert coreset(points, 5, seed=2)[0] != coreset(points, 5, seed=3)[0]
    assert len(coreset(points, 500, seed=2).unique()) == 200


def test_a_projected_coreset_covers_nearly_as_well():
    points = features("random", 500, 128, seed=12)
    projected, plain = coreset(points, 50, seed=0, project_to=32), coreset(points, 50, seed=0)
    assert radius(points, projected) < 1.3 * radius(points, plain)
    mapped = coreset(points.half().numpy(), 50, seed=0, project_to=32)
    assert torch.equal(mapped, coreset(points.half(), 50, seed=0, project_to=32))


@pytest.mark.parametrize(
    ("points", "count", "said"), [(torch.ones(0, 3), 2, "of 0 rows"), (torch.full((4, 3), torch.nan), 2, "not finite")]
)
def test_nothing_to_select_from_is_told(points, count, said):
    with pytest.raises(EvalError, match=said):
        coreset(points, count, seed=0)
