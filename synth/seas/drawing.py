"""Drawing in a batch of windows with a fine-tuned model: encode, noise, denoise, read the mask, decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from synth.seas.config import SeasConfig
from synth.seas.features import UnetFeatures, clean_latents, decoder_features, tapped_features
from synth.seas.finetune import Finetuned
from synth.seas.pool import encode
from synth.seas.prompts import token_ids
from synth.seas.sampler import (
    Hold,
    Step,
    build_sampler,
    draw_latents,
    first_step,
    guided,
    noised_start,
    sample_noise,
)


@dataclass(frozen=True)
class Start:
    """One window to draw in: the good part (r, r, 3) uint8, what to start from (the same, or with a sketch in it),
    where it may change (r, r) float in [0, 1] (None: everywhere), the defect type and the sample's own seed."""

    good: np.ndarray
    sketched: np.ndarray
    free: np.ndarray | None
    defect: str
    seed: int


@dataclass(frozen=True)
class Drawn:
    """A drawn window: decoded picture and decoded good part (r, r, 3) float32, grey levels 0..255 but not clipped, and
    the mask head's probability (r, r) float32."""

    picture: np.ndarray
    good: np.ndarray
    probability: np.ndarray


@torch.inference_mode()
def draw_windows(model: Finetuned, starts: Sequence[Start], config: SeasConfig) -> list[Drawn]:
    """Draw all windows as one batch. The model must be on its device, its U-Net in the precision to draw in."""
    pipeline = model.pipeline
    device, scale = pipeline.vae.device, pipeline.vae.config.scaling_factor
    good = _latents(pipeline.vae, [start.good for start in starts])
    begin = good
    if any(start.sketched is not start.good for start in starts):
        begin = _latents(pipeline.vae, [start.sketched for start in starts])
    noise = sample_noise([start.seed for start in starts], tuple(good.shape[1:])).to(device)
    solver = build_sampler(dict(pipeline.scheduler.config), config.steps, config.final_sigma)
    first = first_step(config.steps, config.start_strength)
    texts = _text(model, [model.tokens.defective(start.defect) for start in starts])
    with tapped_features(pipeline.unet) as features:
        reader = MaskReader(model, features, config.mask_steps)
        latents = draw_latents(
            guided(_unet(model), texts[1:], texts[:1], config.guidance),
            solver,
            noised_start(begin, noise, solver, first, config.start_amplitude),
            noise,
            first,
            _hold(good, [start.free for start in starts]),
            reader.watch,
        )
    pictures, goods = (_decoded(pipeline.vae, z / scale) for z in (latents, good))
    probability = reader.probability().float().cpu().numpy()
    return [Drawn(*parts) for parts in zip(pictures, goods, probability, strict=True)]


class MaskReader:
    """Reads the mask head in the last steps of a drawing and averages what it says."""

    def __init__(self, model: Finetuned, features: UnetFeatures, steps: int) -> None:
        self._model, self._features, self._steps = model, features, steps
        self._read: list[Tensor] = []

    def watch(self, step: Step) -> None:
        """To be called after each U-Net pass, whose features must still be in the record."""
        if step.remaining >= self._steps:
            return
        pipeline = self._model.pipeline
        batch = len(step.noisy)
        assert self._features.low is not None
        assert self._features.mid is not None
        # With guidance the pass holds [empty prompt; prompt]: the last rows are the prompted ones.
        low, mid = (f[-batch:].to(step.noisy.dtype) for f in (self._features.low, self._features.mid))
        seen = step.noisy
        if self._model.config.decoder_input == "clean":
            timesteps = step.timestep.long().expand(batch)
            seen = clean_latents(pipeline.scheduler, step.noisy, step.prediction, timesteps)
        self._read.append(self._model.mask_head(low, mid, decoder_features(pipeline.vae, seen)).probability)

    def probability(self) -> Tensor:
        """Mean probability of defect, (B, r, r)."""
        return torch.stack(self._read).mean(dim=0)


def _latents(vae: AutoencoderKL, images: Sequence[np.ndarray]) -> Tensor:
    """Scaled mean latents (B, C, h, w) float32 on the VAE's device."""
    mean = encode(vae, np.stack(images))[:, 0]
    return (mean * vae.config.scaling_factor).to(vae.device)


def _text(model: Finetuned, prompts: Sequence[str]) -> Tensor:
    """Embeddings of the empty prompt and of each prompt, (1 + B, L, D)."""
    encoder = model.pipeline.text_encoder
    ids = token_ids(model.pipeline.tokenizer, ["", *prompts]).to(encoder.device)
    return encoder(ids)[0]


def _unet(model: Finetuned) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    unet = model.pipeline.unet

    def call(x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        return unet(x.to(unet.dtype), t, text.to(unet.dtype)).sample.to(x.dtype)

    return call


def _hold(good: Tensor, free: Sequence[np.ndarray | None]) -> Hold | None:
    """A latent cell is as free as the freest pixel under it; None when everything is free everywhere."""
    if all(f is None for f in free):
        return None
    everywhere = np.ones(next(f.shape for f in free if f is not None), dtype=np.float32)
    maps = torch.from_numpy(np.stack([everywhere if f is None else f for f in free]))[:, None].to(good.device)
    return Hold(good, functional.adaptive_max_pool2d(maps, good.shape[-2:]))


def _decoded(vae: AutoencoderKL, latents: Tensor) -> np.ndarray:
    """Unscaled latents to pictures (B, r, r, 3) float32 in grey levels, not clipped; one at a time to bound memory."""
    pictures = torch.cat([vae.decode(z[None].to(vae.dtype)).sample for z in latents])
    return ((pictures.float() + 1) * 127.5).permute(0, 2, 3, 1).cpu().numpy()
