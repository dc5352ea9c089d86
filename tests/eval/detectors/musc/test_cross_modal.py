import pytest
import torch

from eval.detectors.musc.cross_modal import enhanced, rank_transfer


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def longhand(image, points, cell):
    """Step by step as the paper lists them, with loops."""

    def transfer(values, ranks):
        ordered = sorted(values.flatten().tolist())
        places = sorted(range(ranks.numel()), key=lambda k: ranks.flatten()[k].item())
        moved = torch.empty(values.numel())
        for value, place in zip(ordered, places, strict=True):
            moved[place] = value
        return moved.view(values.shape)

    taken = torch.zeros_like(image)
    linked = [row for row in range(len(image)) if (cell == row).any()]
    for row in linked:
        taken[row] = points[cell == row].mean(0)
    given = torch.stack([image[row] for row in cell])
    trust_image, trust_points = 1 - transfer(image.std(1), taken.std(1)), 1 - transfer(points.std(1), given.std(1))
    given = transfer(points, given)
    taken[linked] = transfer(image[linked], taken[linked])
    taken = transfer(image, torch.maximum(image, taken) * trust_image[:, None])
    given = transfer(points, torch.maximum(points, given) * trust_points[:, None])
    return (image + taken) / 2, (points + given) / 2


def test_a_transfer_has_the_values_of_the_one_in_the_order_of_the_other():
    values, ranks = drawn(5, 7), drawn(5, 7, seed=1)
    moved = rank_transfer(values, ranks)
    assert torch.equal(moved.flatten().sort().values, values.flatten().sort().values)
    assert torch.equal(moved.flatten().argsort(), ranks.flatten().argsort())


def test_enhancement_equals_the_longhand():
    image, points, cell = drawn(12, 5), 3 * drawn(20, 5, seed=1), torch.arange(20) % 7
    for result, expected in zip(enhanced(image, points, cell), longhand(image, points, cell), strict=True):
        assert torch.allclose(result, expected, atol=1e-6)


def test_the_mean_of_each_modality_is_kept():
    image, points = drawn(12, 5), 3 * drawn(20, 5, seed=1)
    new_image, new_points = enhanced(image, points, torch.arange(20) % 7)
    assert new_image.mean().item() == pytest.approx(image.mean().item(), abs=1e-6)
    assert new_points.mean().item() == pytest.approx(points.mean().item(), abs=1e-6)


@pytest.mark.parametrize("cells", [[0], [3, 3, 3], []])
@pytest.mark.parametrize("others", [1, 4])
def test_cells_without_a_group_and_one_other_image_stay_finite(cells, others):
    cell = torch.tensor(cells, dtype=torch.int64)
    for result in enhanced(drawn(12, others), drawn(len(cells), others), cell):
        assert bool(result.isfinite().all())


def test_a_place_that_is_strange_in_the_other_modality_rises():
    image, points = 0.5 + 0.01 * drawn(12, 5), 0.5 + 0.01 * drawn(12, 5, seed=1)
    points[4] += 0.3
    new_image, _ = enhanced(image, points, torch.arange(12))
    assert int(new_image.mean(1).argmax()) == 4
