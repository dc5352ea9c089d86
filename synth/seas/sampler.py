"""Drawing latents with DPM-Solver++ (Lu et al. 2022, multistep, order 2), from noised latents of what is there.

Start with all steps (SeaS):     x_T = a z + sqrt(1 - a^2) eps,                   a = start amplitude
Start with the last n steps:     x_t = sqrt(abar_t) z + sqrt(1 - abar_t) eps      before step steps - n
Surroundings kept, each step:    x  <- m x + (1 - m) (alpha_t z + sigma_t eps),   m = 0 where z stays

z is the latent of the good part, with or without a pasted defect; eps belongs to the sample alone, so no sample depends
on its batch mates. All functions take tensors; the U-Net is any callable, so tests can hand in a formula.
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
class Group:
    """Drawings that take the last `taken` steps: what they start from and their noise, (b, C, h, w), and where they may
    change, (b, 1, h, w) in [0, 1], None = everywhere."""

    taken: int
    begin: Tensor
    noise: Tensor
    free: Tensor | None = None


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

    unet(x, t, text) -> output; text (B, L, D), of which the first are used where x has fewer rows, empty (1, L, D). The
    second half of its batch has the prompt; at scale 1 the empty half is left out."""
    if scale == 1:
        return lambda x, t: unet(x, t, text[: len(x)])

    def predict(x: Tensor, t: Tensor) -> Tensor:
        own = text[: len(x)]
        plain, prompted = unet(torch.cat([x, x]), t, torch.cat([empty.expand_as(own), own])).chunk(2)
        return plain + scale * (prompted - plain)

    return predict


def draw_latents(
    predict: Predict,
    solver: Callable[[], DPMSolverMultistepScheduler],
    groups: Sequence[Group],
    amplitude: float,
    watch: Callable[[Step], None] | None = None,
) -> Tensor:
    """Denoise the groups, those that take most steps first, and give their latents in that order, (B, C, h, w).

    All groups that have begun go through the U-Net together, each with a solver of its own. solver: makes a fresh one;
    amplitude: of what there is in the start with all steps; watch is called after each U-Net pass, before the
    update."""
    runs: list[_Run] = []
    timesteps = solver().timesteps.to(groups[0].begin.device)
    for index in range(len(timesteps) - groups[0].taken, len(timesteps)):
        runs += [_Run(g, solver(), index, amplitude) for g in groups if len(timesteps) - g.taken == index]
        x = torch.cat([run.x for run in runs])
        prediction = predict(x, timesteps[index])
        if watch is not None:
            watch(Step(len(timesteps) - 1 - index, timesteps[index], x, prediction))
        for run, part in zip(runs, prediction.split([len(run.x) for run in runs]), strict=True):
            run.advance(part, timesteps[index], index)
    return torch.cat([run.x for run in runs])


class _Run:
    """A group under way: its noisy latents x and its solver, which keeps state."""

    def __init__(self, group: Group, solver: DPMSolverMultistepScheduler, first: int, amplitude: float) -> None:
        self._group, self._solver = group, solver
        solver.set_begin_index(first)
        self.x = noised_start(group.begin, group.noise, solver, first, amplitude)

    def advance(self, prediction: Tensor, timestep: Tensor, index: int) -> None:
        """One step, after which the surroundings are what they were."""
        group = self._group
        self.x = self._solver.step(prediction, timestep, self.x).prev_sample
        if group.free is not None:
            alpha, sigma = _level(self._solver, index + 1)
            self.x = group.free * self.x + (1 - group.free) * (alpha * group.begin + sigma * group.noise)


def _level(solver: DPMSolverMultistepScheduler, index: int) -> tuple[float, float]:
    """alpha and sigma with alpha^2 + sigma^2 = 1 before step `index`; the solver stores sigma / alpha."""
    ratio = float(solver.sigmas[index])
    alpha = (1 + ratio**2) ** -0.5
    return alpha, ratio * alpha
