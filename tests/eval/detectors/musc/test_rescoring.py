import pytest
import torch

from eval.detectors.musc.rescoring import rescored


def whole(scores: torch.Tensor, features: torch.Tensor, neighbours: tuple[int, ...]) -> torch.Tensor:
    """Each image in the first column of its row, the others after it."""
    count = len(scores)
    order = torch.stack(
        [torch.cat([torch.tensor([k]), torch.arange(count)[torch.arange(count) != k]]) for k in range(count)]
    )
    similarity = (features @ features.T).gather(1, order)
    return rescored(scores[order], similarity, torch.ones(count, count, dtype=torch.bool), neighbours)


def drawn(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 6, generator=rng)
    return torch.rand(count, generator=rng), torch.nn.functional.normalize(features, dim=1)


def stretched(scores: torch.Tensor) -> torch.Tensor:
    return (scores - scores.min()) / (scores.max() - scores.min())


def test_one_neighbour_leaves_the_stretched_scores():
    scores, features = drawn(9)
    features[3] = features[5]
    assert torch.allclose(whole(scores, features, (1,)), stretched(scores), atol=1e-6)


def test_several_neighbours_equal_the_longhand():
    scores, features = drawn(9)
    results = []
    for count in (1, 4):
        weights = (features @ features.T).clamp(min=0)
        kept = torch.zeros_like(weights)
        for row in range(9):
            chosen = weights[row].argsort(descending=True)[:count]
            kept[row, chosen] = weights[row, chosen]
        results.append(kept / kept.sum(1, keepdim=True) @ stretched(scores))
    assert torch.allclose(whole(scores, features, (1, 4)), torch.stack(results).mean(0), atol=1e-6)


@pytest.mark.parametrize("neighbours", [(9,), (50,)])
def test_all_neighbours_with_equal_features_give_the_mean_to_all(neighbours):
    scores, features = drawn(9)
    result = whole(scores, features[:1].expand(9, -1), neighbours)
    assert torch.allclose(result, stretched(scores).mean().expand(9), atol=1e-6)


def test_equal_scores_stay_equal_so_the_weights_of_a_row_sum_to_one():
    scores, features = drawn(9)
    scores[:] = 0.5
    scores[0] = 0
    result = whole(scores, features, (3,))
    similarity = features @ features.T
    far = [row for row in range(1, 9) if 0 not in similarity[row].argsort(descending=True)[:3]]
    assert far
    assert torch.allclose(result[far], torch.ones(len(far)), atol=1e-6)


def test_constant_scores_negative_similarities_and_no_features_stay_finite():
    scores, features = drawn(5)
    assert bool((whole(torch.ones(5), features, (1, 7)) == 0).all())
    opposite = torch.stack([features[0], -features[0]])
    assert torch.allclose(whole(torch.tensor([0.0, 1.0]), opposite, (1, 2)), torch.tensor([0.0, 1.0]))
    assert torch.allclose(whole(scores, features * 0, (1, 7)), stretched(scores))


def test_what_is_not_of_the_set_counts_nowhere():
    scores, features = drawn(6)
    similarity = features @ features.T
    known = torch.tensor([True, True, False, True, True, False])
    result = rescored(scores[None], similarity[:1], known[None], (1, 3))
    assert torch.allclose(
        result, rescored(scores[known][None], similarity[:1, known], known[None, :4].fill_(True), (1, 3))
    )
