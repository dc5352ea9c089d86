import math

import pytest
import torch

from eval.detectors.g2sf import losses
from tests.eval.detectors.g2sf.scenes import WIDTHS, generator, ring


def batch(anomalous):
    drawn = generator(0)
    local = (torch.rand(8, 5, generator=drawn) + 0.5).requires_grad_()
    factors = (torch.rand(8, 2, generator=drawn) + 0.5).requires_grad_()
    return local, factors, anomalous


ALL = {
    "separation": lambda local, factors, y: losses.separation(local[:, 0], y, 5.0),
    "overlap": lambda local, factors, y: losses.overlap(local[:, 0], y),
    "scaling": lambda local, factors, y: losses.scaling(factors, y),
    "mismatch": lambda local, factors, y: losses.mismatch(factors),
    "consistency": lambda local, factors, y: losses.consistency(local, local.detach()),
}
KINDS = {"normal": torch.zeros(8, dtype=torch.bool), "anomalous": torch.ones(8, dtype=torch.bool)}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", [*KINDS, "mixed"])
def test_a_batch_of_any_kinds_gives_a_finite_loss_and_gradient(name, kind):
    local, factors, y = batch(KINDS.get(kind, torch.arange(8) % 2 == 0))
    value = ALL[name](local, factors, y)
    value.backward()
    assert torch.isfinite(value)
    assert value >= 0
    for one in (local, factors):
        assert one.grad is None or torch.isfinite(one.grad).all()


@pytest.mark.parametrize("name", ALL)
def test_distances_of_zero_give_a_finite_loss(name):
    local, factors = torch.zeros(8, 5, requires_grad=True), torch.ones(8, 2, requires_grad=True)
    assert torch.isfinite(ALL[name](local, factors, torch.arange(8) % 2 == 0))


def test_separation_is_its_formula():
    local, y = torch.tensor([0.5, 2.0, 0.5, 9.0]), torch.tensor([False, False, True, True])
    found = losses.separation(local, y, 10.0)
    anomalous = (1 / 0.25001 - 0.1) * 3.0
    assert float(found) == pytest.approx((0.25 * 0.33 + 4 * 3.0 + anomalous + 0) / 4, rel=1e-4)
    plain = losses.separation(local, y, 10.0, weighted=False)
    assert float(plain) == pytest.approx((0.25 + 4 + 1 / 0.25001 - 0.1) / 4, rel=1e-4)


def test_overlap_is_zero_where_the_kinds_lie_apart_and_grows_where_they_do_not():
    y = torch.tensor([False, False, True, True])
    assert losses.overlap(torch.tensor([0.1, 0.4, 0.5, 2.0]), y) == 0
    near = losses.overlap(torch.tensor([0.1, 0.4, 0.3, 2.0]), y)
    assert float(near) == pytest.approx(2 * (1 - 0.09 / 0.16) / 4, rel=1e-4)


def test_factors_are_pulled_to_e_on_anomalies_and_below_one_on_normal_cells():
    factors = torch.tensor([[1.5, 0.5], [math.e, math.e]])
    assert float(losses.scaling(factors, torch.tensor([False, True]))) == pytest.approx(0.25, abs=1e-6)
    assert float(losses.mismatch(factors[1:])) == pytest.approx(0, abs=1e-6)


def test_mismatched_pairs_keep_the_features_of_either_modality_and_part_them():
    cells, prototypes = ring(40, 1), ring(40, 2)
    torch.manual_seed(0)
    mixed, foreign = losses.mismatched(cells, prototypes, WIDTHS)
    assert torch.equal(mixed[20:], cells[20:])
    assert torch.equal(foreign[:20], prototypes[:20])
    for moved, own in ((mixed[:20], cells[:20]), (foreign[20:], prototypes[20:])):
        for one, other in zip(moved.split(2, 1), own.split(2, 1), strict=True):
            assert torch.equal(one.sort(0).values, other.sort(0).values)
        assert not torch.equal(moved, own)


def test_consistency_looks_at_each_cell_alone():
    drawn = generator(4)
    local, plain = torch.rand(30, 11, generator=drawn), torch.rand(30, 11, generator=drawn)
    alone = torch.stack([losses.consistency(local[k : k + 1], plain[k : k + 1]) for k in range(30)])
    torch.testing.assert_close(losses.consistency(local, plain), alone.mean())
    # All pairs of so many cells would take 40 GB.
    many = torch.rand(100_000, 3, generator=drawn)
    assert torch.isfinite(losses.consistency(many, many))


def test_distances_that_grow_in_proportion_are_consistent():
    plain = torch.tensor([[1.0, 1.1, 1.2, 1.3, 1.4]])
    assert losses.consistency(2 * plain, plain) == 0
    assert losses.consistency(torch.tensor([[1.0, 2.0, 1.2, 1.3, 1.4]]), plain) > 0
    assert losses.consistency(torch.tensor([[1.0, 1.1, 1.2, 0.3, 1.4]]), plain) > 0
    assert losses.consistency(plain[:, :1], plain[:, :1]) == 0
