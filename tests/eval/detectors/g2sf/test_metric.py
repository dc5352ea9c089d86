import math
from functools import partial

import pytest
import torch

from eval.detectors.best_weights import seeded
from eval.detectors.g2sf.metric import LocalScale, Metric, aggregated, distances, jittered, typical_distances
from eval.features.neighbours import nearest
from tests.eval.detectors.g2sf.scenes import WIDTHS, banks, generator, nearest_rows, ring


def metric_of(typical=(1.0, 1.0), balance=(0.0, 0.0), plain=False):
    made = seeded(partial(Metric, WIDTHS, torch.tensor(typical)), 3).eval().requires_grad_(False)
    made.balance.copy_(torch.tensor(balance))
    for parameter in made.scale.head[-1].parameters():
        parameter.mul_(0 if plain else 40)
    return made


def measured(metric, cells, known, count=6):
    rows = nearest_rows(cells, known, count)
    return [metric(cells, known.prototypes(rows[:, rank])) for rank in range(count)]


def test_without_factors_the_distance_is_the_mean_of_two_nearest_neighbour_scores():
    known, cells = banks(), ring(40, 5, 0.3)
    found = measured(metric_of((0.5, 2.0), plain=True), cells, known)[0]
    image, points = (
        nearest(part, bank)[0][:, 0] for part, bank in zip(cells.split(2, 1), (known.image, known.points), strict=True)
    )
    torch.testing.assert_close(found.local, (image / 0.5 + points / 2.0) / 2)
    torch.testing.assert_close(found.factors, torch.ones_like(found.factors))


def test_the_network_has_the_published_number_of_parameters():
    assert sum(one.numel() for one in LocalScale(1920).parameters()) == 2_164_738


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_factors_stay_between_a_tenth_of_e_squared_and_e(size):
    found = metric_of()(size * ring(50, 1), size * ring(50, 2)).factors
    assert (found >= 1 / math.e - 1e-6).all()
    assert (found <= math.e + 1e-6).all()


@pytest.mark.parametrize("balance", [(0.0, 0.0), (3.0, -2.0), (-1e6, -1e6), (1e6, -1e6)])
def test_shares_are_positive_and_sum_to_one(balance):
    shares = metric_of(balance=balance).shares
    assert (shares > 0).all()
    assert float(shares.sum()) == pytest.approx(1)
    if max(map(abs, balance)) < 5:
        wanted = (torch.tanh(torch.tensor(balance)) + 1) / 2
        torch.testing.assert_close(shares, wanted / wanted.sum())


@pytest.mark.parametrize("modality", [0, 1])
def test_the_distance_grows_with_that_of_either_modality(modality):
    metric = metric_of(plain=True, balance=(0.4, -0.3))
    cells, prototypes = torch.zeros(5, 4), torch.zeros(5, 4)
    cells[:, 2 * modality] = torch.arange(5)
    assert (metric(cells, prototypes).local.diff() > 0).all()


def test_the_least_over_prototypes_differs_from_the_first_by_the_factors_alone():
    known, cells = banks(), ring(40, 5, 0.3)
    for plain in (True, False):
        local = torch.stack([one.local for one in measured(metric_of(plain=plain), cells, known)], 1)
        least = aggregated(local, "min")
        assert (least <= local[:, 0]).all()
        assert torch.equal(least, aggregated(local, "first")) == plain
        assert (aggregated(local, "max") >= aggregated(local, "mean")).all()


def test_the_scale_of_a_modality_does_not_matter_to_its_plain_distances():
    cells, prototypes, good = ring(30, 1), ring(30, 2), ring(50, 3)
    plain = []
    for factor in (1.0, 7.5):
        scale = torch.tensor([1.0, 1.0, factor, factor])
        typical = typical_distances(distances(good * scale, good.flip(0) * scale, WIDTHS))
        plain.append(metric_of(typical.tolist()).plain(cells * scale, prototypes * scale))
    torch.testing.assert_close(*plain)
    torch.testing.assert_close(typical_distances(torch.zeros(4, 2)), torch.ones(2))


def test_the_order_of_the_rows_of_a_bank_does_not_matter():
    known, cells, metric = banks(), ring(40, 5, 0.3), metric_of()
    order = torch.randperm(len(known.image), generator=generator(0))
    shuffled = type(known)(known.image[order], known.points[order.flip(0)])
    for one, other in zip(measured(metric, cells, known), measured(metric, cells, shuffled), strict=True):
        assert torch.equal(one.local, other.local)


def test_jitter_moves_each_modality_by_no_more_than_its_reach():
    rows = torch.zeros(4000, 4)
    moved = jittered(rows, WIDTHS, torch.tensor([0.1, 0.5]))
    for part, reach in zip(moved.split(2, 1), (0.1, 0.5), strict=True):
        assert 0.9 * reach < part.norm(dim=1).max() <= reach * (1 + 1e-6)
        assert part.mean(0).abs().max() < 0.1 * reach
