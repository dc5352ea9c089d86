import pytest
import torch

from eval.detectors.musc.score_maps import image_map, point_map


def test_a_cell_lies_over_its_own_pixels():
    scores = torch.zeros(3, 4)
    scores[1, 2] = 1
    result = image_map(scores, (15, 20))
    assert result.argmax() == 7 * 20 + 12
    assert result.sum().item() == pytest.approx(25)


def test_in_the_released_form_the_corner_cells_lie_on_the_corner_pixels():
    scores = torch.arange(6.0).view(2, 3)
    result = image_map(scores, (11, 21), repo_corners=True)
    assert result.shape == (11, 21)
    assert result[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [0, 2, 3, 5]
    assert result[5, 10].item() == pytest.approx(2.5)


def test_points_take_the_mean_of_the_three_nearest_centres_by_squared_distance():
    centres = torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 4, 0], [90, 0, 0]])
    points = torch.tensor([[1.0, 0, 0], [0, 4, 0]])
    place = torch.tensor([[1, 2], [4, 6]])
    result = point_map(torch.tensor([1.0, 2, 3, 50]), centres, points, place, (5, 7), sigma=0)
    weights = [1, 1, 1 / 17]
    assert result[1, 2].item() == pytest.approx((weights[0] + 2 * weights[1] + 3 * weights[2]) / sum(weights))
    assert result[4, 6].item() == pytest.approx(3, abs=1e-6)
    assert int((result != 0).sum()) == 2


def test_of_several_points_in_one_pixel_the_highest_counts_in_any_order():
    centres = torch.tensor([[0.0, 0, 0], [1, 0, 0]])
    place = torch.tensor([[1, 1], [1, 1]])
    for points in (centres, centres.flip(0)):
        result = point_map(torch.tensor([0.2, 0.7]), centres, points, place, (3, 4), sigma=0)
        assert result[1, 1].item() == pytest.approx(0.7, abs=1e-6)


@pytest.mark.parametrize("groups", [1, 2])
def test_fewer_centres_than_three_are_enough(groups):
    points = torch.rand(9, 3, generator=torch.Generator().manual_seed(0))
    place = torch.stack([torch.arange(9) // 3, torch.arange(9) % 3], 1)
    result = point_map(torch.ones(groups), points[:groups], points, place, (3, 3), sigma=4)
    assert result.dtype == torch.float32
    assert torch.allclose(result, torch.ones(3, 3))
