"""The windows a model of one product learns from: cut, turned, mirrored and encoded once, before training.

Encoding a window costs the bundled base more than learning from it (0.10 s against 0.04 s on two cores), so a pool of
windows a defect type, and as many good ones of the same sizes, is encoded first; every update draws from it. The pool
is a function of shots, good images, config and seed: fixed groups of windows are encoded together, so that a resumed
run sees the same numbers to the last bit.

Against the published code: good windows are drawn independently of defective ones and from all good images, and each
defect type has the same share of the pool however many shots it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from synth.generators import Progress
from synth.placing.matcher import image_of
from synth.sample import Sample
from synth.seas.config import SeasSettings
from synth.seas.strips import along
from synth.seas.window import cut, widest_window, window_anywhere, window_for

ENCODED_TOGETHER = 4


@dataclass(frozen=True)
class WindowPool:
    """Encoded windows: latents as mean and standard deviation (n, 2, C, h, w), unscaled; defective ones with masks
    (n, R, R) uint8, 255 = defect, and the position of their type in the prompts."""

    defective: Tensor
    masks: Tensor
    types: Tensor
    good: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """The same by name, for a file."""
        return {"defective": self.defective, "masks": self.masks, "types": self.types, "good": self.good}


@dataclass(frozen=True)
class Batch:
    """One micro-batch: latents (2B, C, h, w) scaled, the B defective ones first; masks (B, R, R); types (B,);
    timesteps (2B,); noise and fresh (2B, C, h, w) standard normal, independent of each other."""

    latents: Tensor
    masks: Tensor
    types: Tensor
    timesteps: Tensor
    noise: Tensor
    fresh: Tensor

    def part(self, rank: int, world: int) -> Batch:
        """Every world-th pair from `rank` on: what one of several processes learns from."""
        pairs = len(self.masks)
        keep = torch.arange(rank, pairs, world)
        both = torch.cat([keep, keep + pairs])
        return Batch(
            self.latents[both],
            self.masks[keep],
            self.types[keep],
            self.timesteps[both],
            self.noise[both],
            self.fresh[both],
        )

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def build_pool(
    vae: AutoencoderKL,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    defects: Sequence[str],
    config: SeasSettings,
    seed: int,
    progress: Progress | None = None,
) -> WindowPool:
    """Cut and encode `config.windows_per_defect` windows a type, and as many good ones."""
    count = config.windows_per_defect
    places = [(k, i) for k in range(len(defects)) for i in range(count)]
    defective, masks, good = [], [], []
    for start in range(0, len(places), ENCODED_TOGETHER):
        if progress is not None:
            progress("encode windows", start, len(places))
        pairs = []
        for k, i in places[start : start + ENCODED_TOGETHER]:
            rng = np.random.default_rng([seed, k, i])
            of_type = [shot for shot in shots if shot.defect == defects[k]]
            pairs.append(
                _window_pair(of_type[i % len(of_type)], good_images[int(rng.integers(len(good_images)))], config, rng)
            )
        marked, marks, plain = zip(*pairs, strict=True)
        defective.append(encode(vae, np.stack(marked)))
        good.append(encode(vae, np.stack(plain)))
        masks.append(np.stack(marks))
    types = torch.arange(len(defects)).repeat_interleave(count)
    return WindowPool(torch.cat(defective), torch.from_numpy(np.concatenate(masks)), types, torch.cat(good))


def draw_batch(
    pool: WindowPool, size: int, timesteps: int, scale: float, rng: torch.Generator, focus: float = 1.0
) -> Batch:
    """`size` defective and `size` good windows at noise levels `timesteps` u^focus, u uniform in [0, 1); scale = the
    VAE's scaling factor. All numbers come from `rng`, on the CPU."""
    defective = torch.randint(len(pool.defective), (size,), generator=rng)
    good = torch.randint(len(pool.good), (size,), generator=rng)
    moments = torch.cat([pool.defective[defective], pool.good[good]])
    spread, noise, fresh = torch.randn((3, *moments[:, 0].shape), generator=rng)
    return Batch(
        latents=scale * (moments[:, 0] + moments[:, 1] * spread),
        masks=pool.masks[defective] / 255,
        types=pool.types[defective],
        timesteps=(timesteps * torch.rand(2 * size, generator=rng, dtype=torch.float64) ** focus).long(),
        noise=noise,
        fresh=fresh,
    )


@torch.no_grad()
def encode(vae: AutoencoderKL, images: np.ndarray) -> Tensor:
    """Mean and standard deviation of the unscaled latents of (n, R, R, 3) uint8: (n, 2, C, h, w) float32 on the CPU."""
    parts = []
    for start in range(0, len(images), ENCODED_TOGETHER):
        pixels = torch.from_numpy(images[start : start + ENCODED_TOGETHER]).to(vae.device, vae.dtype)
        latent = vae.encode(pixels.permute(0, 3, 1, 2) / 127.5 - 1).latent_dist
        parts.append(torch.stack([latent.mean, latent.std], dim=1).float().cpu())
    return torch.cat(parts)


def _window_pair(
    shot: Sample, good: Sample, config: SeasSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A defective window (R, R, 3) uint8, its mask (R, R) uint8 and a good window of the same size, each turned."""
    assert shot.image is not None
    assert shot.mask is not None
    plain = image_of(good)
    window = window_for(shot.mask, config.resolution, rng) if config.zoom else widest_window(shot.mask)
    strip = along(shot.mask, window, config.resolution) if config.draws_strips else []
    if strip:
        window = strip[int(rng.integers(len(strip)))]
    side = window.side if config.zoom else min(plain.shape[:2])
    elsewhere = window_anywhere(plain.shape, side, rng)
    mask = shot.mask if config.mask_labels == "any" else shot.mask.astype(np.float32)
    covered = np.clip(cut(mask, window, config.resolution).astype(np.float32), 0, 1)
    # Which way a defect runs is not asked for: those that are longer than a window stay as they lie.
    image, covered = _turned([cut(shot.image, window, config.resolution), covered], config, rng, half=bool(strip))
    (beside,) = _turned([cut(plain, elsewhere, config.resolution)], config, rng)
    # rounded down, but for rounding errors: only a cell that the defect covers entirely counts as one
    return image, (255 * covered + 1e-3).astype(np.uint8), beside


def _turned(
    arrays: Sequence[np.ndarray], config: SeasSettings, rng: np.random.Generator, half: bool = False
) -> list[np.ndarray]:
    """The same quarter or half turn and mirroring for every array, drawn whether or not they are switched on."""
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    turns -= turns % 2 if half else 0
    turned = [np.rot90(a, turns) if config.rotate else a for a in arrays]
    return [np.ascontiguousarray(a[:, ::-1] if mirror and config.flip else a) for a in turned]
