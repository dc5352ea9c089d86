"""Drawing latents with DPM-Solver++ (Lu et al. 2022, multistep, order 2), from the noised latents of good parts.

Start at full strength (SeaS):   x_T = a z + sqrt(1 - a^2) eps,                   a = start amplitude
Start at strength s < 1:         x_t = sqrt(abar_t) z + sqrt(1 - abar_t) eps,     after leaving out (1 - s) of the steps
Start from a sketch:             the same, at the first later step with  sigma_t / alpha_t <= k a;  a: sketch amplitude
Good part kept, after each step: x  <- m x + (1 - m) (alpha_t z_good + sigma_t eps),   m = 0 where the good part stays

z is the latent of the good part, or of the good part with a sketch; eps belongs to the sample alone, so no sample
depends on its batch mates. All functions take tensors; the U-Net is any callable, so tests can hand in a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

Predict = Callable[[Tensor, Tensor], Tensor]
"""(x (B, C, h, w), timestep ()) -> the U-Net's output for x, guidance included."""


@dataclass(frozen=True)
class Step:
    """A denoising step, seen from outside: index of those left before it starts, noisy latents and prediction."""

    remaining: int
    timestep: Tensor
    noisy: Tensor
    prediction: Tensor


@dataclass(frozen=True)
class Kept:
    """Keeps drawings to a place: latents of the good parts (B, C, h, w) and m (B, 1, h, w) in [0, 1], 1 = free."""

    good: Tensor
    free: Tensor


@dataclass(frozen=True)
class Wait:
    """Keeps drawings at their noised start until their own turn: latents to start from (B, C, h, w) and the index of
    each one's first step (B,) int."""

    begin: Tensor
    until: Tensor


def build_sampler(
    config: dict[str, object], steps: int, final_sigma: Literal["zero", "sigma_min"]
) -> DPMSolverMultistepScheduler:
    """A fresh solver for one batch (it keeps state), on the noise schedule of a base's scheduler config."""
    solver = DPMSolverMultistepScheduler.from_config(
        config, algorithm_type="dpmsolver++", solver_order=2, timestep_spacing="linspace", final_sigmas_type=final_sigma
    )
    solver.set_timesteps(steps)
    return solver


def sample_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Standard normal (B, *shape), each row from a generator of its own seed."""
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def first_step(steps: int, strength: float) -> int:
    """How many steps are left out at this strength; at least one is taken."""
    return min(steps - 1, steps - round(steps * strength))


def sketch_amplitude(sketched: Tensor, good: Tensor) -> Tensor:
    """How strongly a sketch stands out, (B,): sqrt(sum d^4 / sum d^2) over cells, d the root mean square over channels
    of sketched - good (B, C, h, w). A sketch of one strength on any number of cells has just that strength; 0 for none.
    """
    squared = (sketched - good).square().mean(1).flatten(1)
    return (squared.square().sum(1) / squared.sum(1).clamp(min=1e-12)).sqrt()


def first_steps(solver: DPMSolverMultistepScheduler, first: int, amplitude: Tensor, noise: float) -> Tensor:
    """Each drawing's first step, (B,) int: from `first` on, the one at which the noise, relative to the signal, has
    fallen to `noise` times the sketch's amplitude; two steps are taken at least. `first` where there is no sketch."""
    ratios = solver.sigmas[: len(solver.timesteps)].to(amplitude)
    passed = (ratios[None] > noise * amplitude[:, None]).sum(1)
    own = passed.clamp(first, max(first, len(ratios) - 2))
    return torch.where(amplitude > 0, own, torch.full_like(own, first))


def noised_start(
    latents: Tensor, noise: Tensor, solver: DPMSolverMultistepScheduler, first: int, amplitude: float
) -> Tensor:
    """x before step `first`: at full strength (first = 0) with the given amplitude, else at the step's own level."""
    if first == 0:
        return amplitude * latents + (1 - amplitude**2) ** 0.5 * noise
    alpha, sigma = _level(solver, first)
    return alpha * latents + sigma * noise


def guided(unet: Callable[..., Tensor], text: Tensor, empty: Tensor, scale: float) -> Predict:
    """Classifier-free guidance (Ho & Salimans 2022): e_empty + scale (e_text - e_empty).

    unet(x, t, text) -> output; text (B, L, D), empty (1, L, D). The second half of its batch has the prompt; at scale 1
    the empty half is left out."""
    if scale == 1:
        return lambda x, t: unet(x, t, text)
    both = torch.cat([empty.expand_as(text), text])

    def predict(x: Tensor, t: Tensor) -> Tensor:
        plain, prompted = unet(torch.cat([x, x]), t, both).chunk(2)
        return plain + scale * (prompted - plain)

    return predict


def draw_latents(
    predict: Predict,
    solver: DPMSolverMultistepScheduler,
    start: Tensor,
    noise: Tensor,
    first: int = 0,
    kept: Kept | None = None,
    wait: Wait | None = None,
    watch: Callable[[Step], None] | None = None,
) -> Tensor:
    """Denoise `start` (B, C, h, w) from step `first` to the end; `noise` is the eps it was made with.

    watch is called after each U-Net pass, before the update."""
    x = start
    solver.set_begin_index(first)
    timesteps = solver.timesteps[first:].to(x.device)
    for index, timestep in enumerate(timesteps, start=first):
        prediction = predict(x, timestep)
        if watch is not None:
            watch(Step(len(solver.timesteps) - 1 - index, timestep, x, prediction))
        x = solver.step(prediction, timestep, x).prev_sample
        alpha, sigma = _level(solver, index + 1)
        if kept is not None:
            x = kept.free * x + (1 - kept.free) * (alpha * kept.good + sigma * noise)
        if wait is not None:
            x = torch.where((wait.until > index)[:, None, None, None], alpha * wait.begin + sigma * noise, x)
    return x


def _level(solver: DPMSolverMultistepScheduler, index: int) -> tuple[float, float]:
    """alpha and sigma with alpha^2 + sigma^2 = 1 before step `index`; the solver stores sigma / alpha."""
    ratio = float(solver.sigmas[index])
    alpha = (1 + ratio**2) ** -0.5
    return alpha, ratio * alpha
