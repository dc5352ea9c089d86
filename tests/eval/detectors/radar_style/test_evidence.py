"""One step and one call: what the predicted noise says, with predictors that are known exactly."""

import itertools

import pytest
import torch

from eval.detectors.radar_style import tiles
from eval.detectors.radar_style.diffusion import STEPS, kept_shares, noised
from eval.detectors.radar_style.evidence import evidence, sobel


def exact(spread):
    """The best predictor of noise for data N(0, spread^2): sqrt(1 - a) x / (a spread^2 + 1 - a)."""

    def predict(x, steps):
        kept = kept_shares()[steps].float()[:, None, None, None]
        return (1 - kept).sqrt() * x / (kept * spread**2 + 1 - kept)

    return predict


@pytest.mark.parametrize("step", [1, 100, STEPS])
def test_each_tile_is_asked_once_whatever_the_step(step):
    asked = []

    def predict(x, steps):
        asked.append((len(x), set(steps.tolist())))
        return x

    image = torch.rand(3, 40, 56)
    cut = tiles.cut(image, tiles.corners((40, 56), 16), 16)
    evidence(predict, cut, None, step)
    assert asked == [(4 * 6, {step - 1})]


@pytest.mark.parametrize("step", [1, 300])
def test_good_patches_score_alike_and_as_the_exact_predictor_says(step):
    rng = torch.Generator().manual_seed(0)
    x, noise = 0.5 * torch.randn(400, 3, 16, 16, generator=rng), torch.randn(400, 3, 16, 16, generator=rng)
    found = evidence(exact(0.5), x, noise, step).features
    kept = kept_shares()[step - 1]
    assert found[:, 0].mean() == pytest.approx(((1 - kept) / (kept * 0.25 + 1 - kept)).sqrt().item(), rel=0.01)
    assert found[:200].mean(0) == pytest.approx(found[200:].mean(0), rel=0.01)


def test_an_edge_says_more_than_a_flat_patch_of_the_same_energy():
    flat = torch.full((1, 3, 16, 16), 0.4)
    edge = flat.clone()
    edge[..., 8:] *= -1
    found = evidence(exact(0.5), torch.cat([flat, edge]), None, 100).features
    assert found[0, 0] == pytest.approx(found[1, 0].item())
    assert found[1, 1] > found[0, 1] + 1e-3


def test_the_first_step_adds_a_hundredth_of_noise_and_the_last_leaves_nothing_of_the_image():
    x, noise = torch.ones(2, 1, 2, 2), torch.full((2, 1, 2, 2), 5.0)
    first, last = noised(x, noise, torch.tensor([0, STEPS - 1]))
    assert first == pytest.approx(torch.full((1, 2, 2), 1.05), abs=1e-4)
    assert last == pytest.approx(torch.full((1, 2, 2), 5.0), abs=0.01)


def test_the_residual_is_what_was_predicted_beyond_the_added_noise():
    noise = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    found = evidence(lambda _x, _steps: noise + 0.3, torch.zeros_like(noise), noise, 1, residual=True)
    assert found.features == pytest.approx(torch.tensor([[0.3, 0.0]]).expand(4, 2), abs=1e-4)


def test_edges_of_a_constant_are_none_and_those_of_a_ramp_its_slope():
    ramp = torch.arange(9.0).expand(2, 3, 7, 9)
    assert sobel(torch.full((2, 3, 7, 9), 4.2)).abs().max() < 1e-5
    assert sobel(ramp)[..., 1:-1] == pytest.approx(torch.ones(2, 3, 7, 7))


def test_edges_move_with_the_image():
    maps = torch.rand(1, 2, 12, 13, generator=torch.Generator().manual_seed(2))
    moved = torch.roll(maps, (2, 3), (2, 3))
    assert sobel(moved)[..., 4:-2, 5:-2] == pytest.approx(sobel(maps)[..., 2:-4, 2:-5], abs=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (33, 64), (16, 24)])
def test_tiles_cover_the_image_at_most_half_a_side_apart_and_a_constant_is_blended_to_itself(size):
    where = tiles.corners(size, 16)
    for axis in (0, 1):
        starts = sorted({corner[axis] for corner in where})
        assert starts[0] == 0
        assert starts[-1] == size[axis] - 16
        assert all(after - before <= 8 for before, after in itertools.pairwise(starts))
    blended = tiles.blended(torch.full((len(where), 16, 16), 2.5), where, size)
    assert blended == pytest.approx(torch.full(size, 2.5))


def test_tiles_cut_from_an_image_are_blended_to_the_image():
    image = torch.rand(1, 23, 37, generator=torch.Generator().manual_seed(3))
    where = tiles.corners((23, 37), 16)
    assert tiles.blended(tiles.cut(image, where, 16)[:, 0], where, (23, 37)) == pytest.approx(image[0], abs=1e-6)
