"""The sampler: start noise, solver and what is kept, checked with U-Nets that are formulas."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from synth.seas.base import build_scheduler
from synth.seas.sampler import Group, Predict, Step, build_sampler, draw_latents, guided, noised_start, sample_noise

KINDS = ["epsilon", "v_prediction"]
SHAPE = (4, 6, 5)


def _config(kind: str) -> dict[str, Any]:
    return dict(build_scheduler(kind).config)


def _solver(kind: str, steps: int) -> Callable[[], DPMSolverMultistepScheduler]:
    return lambda: build_sampler(_config(kind), steps, "zero")


def _knows(clean: Tensor, kind: str) -> Predict:
    """The perfect U-Net for data that is always `clean`."""
    kept = build_scheduler(kind).alphas_cumprod

    def predict(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = kept[int(t)].sqrt(), (1 - kept[int(t)]).sqrt()
        noise = (x - alpha * clean) / sigma
        return noise if kind == "epsilon" else alpha * noise - sigma * clean

    return predict


@pytest.mark.parametrize("amplitude", [0.0979, 0.0683])
def test_the_start_holds_the_stated_amplitude_of_the_good_part_and_has_unit_variance(amplitude: float) -> None:
    latents, noise = (
        torch.randn((2, 4, 64, 64), generator=torch.Generator().manual_seed(0)),
        sample_noise([1, 2], (4, 64, 64)),
    )
    solver = build_sampler(_config("epsilon"), 25, "zero")
    start = noised_start(latents, noise, solver, 0, amplitude)
    assert float((start * latents).mean() / latents.square().mean()) == pytest.approx(amplitude, abs=0.02)
    assert float(start.var()) == pytest.approx(1, abs=0.03)
    assert torch.allclose(start - amplitude * latents, (1 - amplitude**2) ** 0.5 * noise, atol=1e-6)


def test_a_later_start_has_the_noise_level_of_its_timestep() -> None:
    solver = build_sampler(_config("epsilon"), 25, "zero")
    kept = float(build_scheduler("epsilon").alphas_cumprod[int(solver.timesteps[10])])
    one, none = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    assert float(noised_start(one, none, solver, 10, 0.1).mean()) == pytest.approx(kept**0.5, rel=1e-4)
    assert float(noised_start(none, one, solver, 10, 0.1).mean()) == pytest.approx((1 - kept) ** 0.5, rel=1e-4)


def test_the_timesteps_are_the_published_ones_and_the_last_noise_level_is_a_choice() -> None:
    assert build_sampler(_config("epsilon"), 25, "zero").timesteps.tolist()[:3] == [999, 959, 919]
    assert build_sampler(_config("epsilon"), 25, "zero").timesteps.tolist()[-3:] == [120, 80, 40]
    assert float(build_sampler(_config("epsilon"), 25, "zero").sigmas[-1]) == 0
    assert float(build_sampler(_config("epsilon"), 25, "sigma_min").sigmas[-1]) == pytest.approx(0.0292, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("taken", [8, 4, 1])
def test_a_perfect_prediction_leads_to_the_clean_latents(kind: str, taken: int) -> None:
    clean, noise = torch.randn((2, *SHAPE)), sample_noise([3, 4], SHAPE)
    group = Group(taken, torch.zeros_like(clean), noise)
    assert torch.allclose(draw_latents(_knows(clean, kind), _solver(kind, 8), [group], 0.07), clean, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fixed_place_ends_as_it_began_and_a_free_one_as_drawn(kind: str) -> None:
    clean, good, noise = torch.randn((2, *SHAPE)), torch.randn((2, *SHAPE)), sample_noise([3, 4], SHAPE)
    free = torch.zeros((2, 1, 6, 5))
    free[:, :, 2:4, 1:3] = 1
    result = draw_latents(_knows(clean, kind), _solver(kind, 8), [Group(6, good, noise, free)], 0.07)
    assert torch.equal(result * (1 - free), good * (1 - free))
    assert torch.allclose(result * free, clean * free, atol=1e-4)


def test_noise_depends_on_the_own_seed_alone() -> None:
    assert torch.equal(sample_noise([5, 6, 7], SHAPE)[1], sample_noise([6], SHAPE)[0])
    assert not torch.equal(*sample_noise([5, 6], SHAPE))


def test_guidance_extrapolates_from_the_empty_prompt_and_needs_one_pass_less_at_one() -> None:
    seen = []

    def unet(x: Tensor, _t: Tensor, text: Tensor) -> Tensor:
        seen.append(len(x))
        return x * 0 + text.mean(dim=(1, 2))[:, None, None, None]

    text, empty, x = torch.full((2, 3, 4), 5.0), torch.full((1, 3, 4), 1.0), torch.zeros((2, *SHAPE))
    assert torch.all(guided(unet, text, empty, 3.0)(x, torch.tensor(9)) == 1 + 3 * (5 - 1))
    assert torch.all(guided(unet, text, empty, 3.0)(x[:1], torch.tensor(9)) == 1 + 3 * (5 - 1))
    assert torch.all(guided(unet, text, empty, 1)(x, torch.tensor(9)) == 5)
    assert seen == [4, 2, 2]


def test_the_watcher_sees_every_step_and_how_many_are_left() -> None:
    steps: list[Step] = []
    clean, noise = torch.zeros((1, *SHAPE)), sample_noise([0], SHAPE)
    draw_latents(_knows(clean, "epsilon"), _solver("epsilon", 6), [Group(4, clean, noise)], 0.07, steps.append)
    assert [step.remaining for step in steps] == [3, 2, 1, 0]
    first = noised_start(clean, noise, _solver("epsilon", 6)(), 2, 0.07)
    assert torch.equal(steps[0].noisy, first)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_that_join_later_are_drawn_as_they_would_be_alone(kind: str) -> None:
    pull = torch.randn(SHAPE)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        return 0.3 * x + 0.1 * pull * float(t) / 1000

    groups = [Group(taken, torch.randn((n, *SHAPE)), torch.randn((n, *SHAPE))) for taken, n in ((8, 2), (5, 1), (1, 3))]
    together = draw_latents(predict, _solver(kind, 8), groups, 0.07)
    alone = [draw_latents(predict, _solver(kind, 8), [group], 0.07) for group in groups]
    assert torch.equal(together, torch.cat(alone))
