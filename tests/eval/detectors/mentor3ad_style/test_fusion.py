import pytest
import torch

from eval.detectors.mentor3ad_style.cells import APART, cells_of, joined, spaced, split
from eval.detectors.mentor3ad_style.fusion import inconsistency, info_nce
from tests.eval.detectors.mentor3ad_style.scenes import all_cells, generator, learnt, linked


def test_orthonormal_pairs_have_no_loss_where_the_temperature_vanishes():
    same = torch.eye(6)
    values = [float(info_nce(same, same, temperature)) for temperature in (1.0, 0.3, 0.01)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0, abs=1e-6)


def test_the_loss_treats_modalities_alike_and_knows_no_order_of_cells():
    drawn = generator(0)
    image, points = torch.randn(9, 5, generator=drawn), torch.randn(9, 5, generator=drawn)
    order = torch.randperm(9, generator=drawn)
    found = info_nce(image, points, 0.1)
    torch.testing.assert_close(info_nce(points, image, 0.1), found)
    torch.testing.assert_close(info_nce(image[order], points[order], 0.1), found)
    assert info_nce(image[order], points, 0.1) > 0


def test_another_cloud_is_inconsistent_with_an_image():
    fusion, _ = learnt()
    image, points = (one.flatten(0, 2) for one in linked(4, 50))
    own = inconsistency(fusion(image, points)).mean()
    swapped = inconsistency(fusion(image, points.roll(64, 0))).mean()
    assert swapped > own + 0.3


def test_cells_that_are_told_apart_are_no_neighbours():
    cells = all_cells(6, 0)
    torch.manual_seed(0)
    chosen = cells.part(spaced(cells, 3, 1000))
    assert len(chosen.owner.unique()) == 3
    for owner in chosen.owner.unique():
        places = chosen.place[chosen.owner == owner]
        away = (places[:, None] - places[None]).abs().amax(-1)
        assert away[~torch.eye(len(places), dtype=torch.bool)].min() >= APART
    assert len(spaced(cells, 6, 7)) == 7


def test_images_that_validate_are_none_that_are_learnt_from():
    cells = all_cells(10, 0)
    learnt_from, judging = split(cells, 5, 0)
    assert len(judging.owner.unique()) == 2
    assert not torch.isin(judging.owner, learnt_from.owner).any()
    few = all_cells(3, 0)
    assert all(len(part.owner) == len(few.owner) for part in split(few, 5, 0))


def test_cells_without_points_are_left_out_and_the_others_keep_their_place():
    image, points = linked(2, 0)
    valid = torch.zeros(2, 8, 8, dtype=torch.bool)
    valid[0, 3, 4] = valid[1, 7, 0] = True
    cells = cells_of(image, points, valid, 5)
    assert cells.owner.tolist() == [5, 6]
    assert cells.place.tolist() == [[3, 4], [7, 0]]
    assert torch.equal(cells.points[1], points[1, 7, 0])
    assert len(joined([cells, cells], 3, 0).owner) == 3
