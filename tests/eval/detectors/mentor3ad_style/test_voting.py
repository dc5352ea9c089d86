from typing import get_args

import pytest
import torch

from eval.detectors.mentor3ad_style.voting import Rule, one_class, product, statistics, vote
from tests.eval.detectors.mentor3ad_style.scenes import generator

RULES = get_args(Rule)


def cues(seed=0):
    """Cues of three images, the last with a defect that every cue shows."""
    made = 0.1 + 0.02 * torch.rand(3, 9, 9, 3, generator=generator(seed))
    made[2, 3:6, 5:8] += 0.5
    return made


def good():
    cells = cues(5)[:2].flatten(0, 2)
    return statistics(cells, torch.stack([cells[:81].amax(0), cells[81:].amax(0)]), 0)


@pytest.mark.parametrize("rule", RULES)
def test_a_defect_gets_the_highest_score_and_the_top_of_its_map(rule):
    score, maps = vote(rule, cues(), torch.ones(3, 9, 9, dtype=torch.bool), good(), 0.5)
    assert score.argmax() == 2
    assert divmod(int(maps[2].argmax()), 9) in {(row, column) for row in range(3, 6) for column in range(5, 8)}


@pytest.mark.parametrize("rule", RULES)
def test_cells_without_points_are_the_least_of_a_map(rule):
    valid = torch.ones(3, 9, 9, dtype=torch.bool)
    valid[:, :2] = False
    shown = torch.where(valid[..., None], cues(), 0)
    _, maps = vote(rule, shown, valid, good(), 0)
    for one, there in zip(maps, valid, strict=True):
        assert one[~there].max() <= one[there].min()


@pytest.mark.parametrize("rule", RULES)
def test_what_an_image_gets_does_not_depend_on_the_others(rule):
    valid = torch.ones(3, 9, 9, dtype=torch.bool)
    score, maps = vote(rule, cues(), valid, good(), 0.5)
    alone, own = vote(rule, cues()[1:2], valid[1:2], good(), 0.5)
    torch.testing.assert_close(alone[0], score[1])
    torch.testing.assert_close(own[0], maps[1])


def test_the_product_is_that_of_cfm():
    shown = cues()
    score, maps = product(shown, 0)
    together = shown[..., 0] * shown[..., 1]
    for k in range(3):
        root = together[k][together[k] > 0].mean().sqrt()
        torch.testing.assert_close(maps[k], together[k] / root)
        torch.testing.assert_close(score[k], together[k].max() / root)
    assert product(torch.zeros_like(shown), 1)[0].tolist() == [0, 0, 0]


def test_larger_cues_lie_farther_on_the_anomalous_side():
    assert (one_class(cues()[0].flatten(0, 1), 0) > 0).all()
