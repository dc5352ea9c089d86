"""The training of the noise predictor on patches of good images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eval.detectors.cost import device
from eval.detectors.radar_style.diffusion import noise_loss
from eval.detectors.training import Descent


@dataclass(frozen=True)
class Course:
    """How a predictor trains. patch: side in px; batch: patches a step; rate: of AdamW; decay: of the running mean of
    the weights; last: the highest step of diffusion, from 1; flips: turn patches by quarters and mirror them."""

    patch: int
    batch: int
    rate: float
    decay: float
    last: int
    flips: bool


def draw_patches(images: Tensor, course: Course, rng: torch.Generator) -> Tensor:
    """Patches float32 (batch, 3, patch, patch) in [-1, 1] anywhere in images uint8 (N, 3, H, W)."""
    side, count = course.patch, course.batch
    which, *places = (
        torch.randint(limit, (count,), generator=rng).tolist()
        for limit in (len(images), images.shape[2] - side + 1, images.shape[3] - side + 1)
    )
    cut = [images[n, :, top : top + side, left : left + side] for n, top, left in zip(which, *places, strict=True)]
    if course.flips:
        turns = torch.randint(8, (count,), generator=rng).tolist()
        cut = [_turned(patch, turn) for patch, turn in zip(cut, turns, strict=True)]
    return signed(torch.stack(cut))


def signed(images: Tensor) -> Tensor:
    """uint8 as float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


class Learning:
    """The training of one predictor on images uint8 (N, 3, H, W): `descent` takes it down, `losses` (steps,) are those
    of its steps, and `finish` leaves the running mean of its weights in it."""

    def __init__(self, network: nn.Module, images: Tensor, course: Course, steps: int, seed: int) -> None:
        self._network, self._images, self._course = network.to(device()), images, course
        self._average = {name: value.detach().clone() for name, value in network.named_parameters()}
        self.losses = torch.full((steps,), torch.nan)
        kept = {f"average.{name}": value for name, value in self._average.items()} | {"losses": self.losses}
        optimiser = torch.optim.AdamW(network.parameters(), lr=course.rate)
        self.descent = Descent(network, optimiser, self._loss, seed, after=self._follow, kept=kept)

    def finish(self) -> None:
        self._network.load_state_dict(self._average, strict=False)
        self._network.eval()

    def _loss(self, step: int, rng: torch.Generator) -> Tensor:
        patches = draw_patches(self._images, self._course, rng)
        steps = torch.randint(self._course.last, (len(patches),), generator=rng)
        noise = torch.randn(patches.shape, generator=rng)
        loss = noise_loss(self._network, patches.to(device()), steps, noise.to(device()))
        self.losses[step] = loss.detach()
        return loss

    def _follow(self, step: int) -> None:
        # A young mean forgets faster: it shall not remember the weights that nothing was learnt with.
        decay = min(self._course.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in self._network.named_parameters():
                self._average[name].lerp_(value, 1 - decay)


def _turned(patch: Tensor, turn: int) -> Tensor:
    rotated = torch.rot90(patch, turn % 4, (1, 2))
    return rotated.flip(2) if turn >= 4 else rotated
