import pytest
import torch

from eval.detectors.musc.neighbourhoods import aggregated_grid, aggregated_groups


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def unit(tokens: torch.Tensor, dim: int) -> torch.Tensor:
    return torch.nn.functional.normalize(tokens, dim=dim)


@pytest.mark.parametrize("degrees", [(1,), (3,), (1, 3, 5), (5, 1)])
def test_a_grid_is_aggregated_as_by_longhand(degrees):
    tokens = drawn(2, 4, 5, 7)
    result = aggregated_grid(tokens, degrees)
    padded = torch.nn.functional.pad(tokens, (4, 4, 4, 4))
    for row, column in [(0, 0), (2, 3), (4, 6), (0, 5)]:
        means = []
        for degree in degrees:
            half = degree // 2
            rows, columns = slice(row + 4 - half, row + 5 + half), slice(column + 4 - half, column + 5 + half)
            window = padded[1, :, rows, columns].flatten(1)
            weights = (-(window - tokens[1, :, row, column, None]).norm(dim=0)).exp()
            means.append((weights * window).sum(1) / weights.sum())
        assert torch.allclose(result[1, :, row, column], unit(torch.stack(means).mean(0), 0), atol=1e-6)


def test_constant_tokens_stay_in_the_interior():
    tokens = unit(drawn(1, 6, 1, 1), 1).expand(1, 6, 9, 11)
    result = aggregated_grid(tokens)
    assert torch.allclose(result[..., 2:-2, 2:-2], tokens[..., 2:-2, 2:-2], atol=1e-6)


def test_degree_one_changes_nothing():
    tokens = unit(drawn(2, 6, 5, 4), 1)
    assert torch.allclose(aggregated_grid(tokens, (1,)), tokens, atol=1e-6)
    groups = unit(drawn(9, 6), 1)
    assert torch.allclose(aggregated_groups(groups, drawn(9, 3), degrees=(1,)), groups, atol=1e-6)


def test_groups_are_aggregated_as_by_longhand_over_the_nearest_centres():
    tokens, centres = unit(drawn(13, 6), 1), drawn(13, 3, seed=1)
    result = aggregated_groups(3 * tokens, centres)
    for group in range(13):
        nearest = (centres - centres[group]).norm(dim=1).argsort()
        means = []
        for degree in (1, 3, 5):
            near = tokens[nearest[:degree]]
            weights = (-(near - tokens[group]).norm(dim=1)).exp()
            means.append((weights[:, None] * near).sum(0) / weights.sum())
        assert torch.allclose(result[group], torch.stack(means).mean(0), atol=1e-6)


@pytest.mark.parametrize("agg3d", ["mean", "repo"])
def test_groups_that_are_not_flat_keep_their_own_token(agg3d):
    tokens, centres = unit(drawn(13, 6), 1), drawn(13, 3, seed=1)
    flat = torch.arange(13) % 2 == 0
    result = aggregated_groups(tokens, centres, flat, agg3d=agg3d)
    everywhere = aggregated_groups(tokens, centres, agg3d=agg3d)
    assert torch.allclose(result[~flat], tokens[~flat], atol=1e-6)
    assert torch.equal(result[flat], everywhere[flat])


def test_the_released_form_averages_adjacent_channels_degree_by_degree():
    tokens, centres = unit(drawn(13, 6), 1), drawn(13, 3, seed=1)
    result = aggregated_groups(tokens, centres, agg3d="repo")
    assert torch.allclose(result[:, 0], tokens[:, :3].mean(1), atol=1e-6)
    assert torch.allclose(result[:, 1], tokens[:, 3:].mean(1), atol=1e-6)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_fewer_groups_than_neighbours_are_aggregated_all_the_same(groups):
    assert bool(aggregated_groups(drawn(groups, 6), drawn(groups, 3)).isfinite().all())
