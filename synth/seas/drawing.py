"""Drawing in a batch of windows with a fine-tuned model: encode, noise, denoise, read the mask, decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from synth.seas.config import SeasSettings
from synth.seas.features import UnetFeatures, decoder_features, finish_decoding, tapped_features
from synth.seas.finetune import Finetuned
from synth.seas.pool import encode
from synth.seas.prompts import token_ids
from synth.seas.sampler import (
    Kept,
    Step,
    Wait,
    build_sampler,
    draw_latents,
    first_step,
    first_steps,
    guided,
    noised_start,
    sample_noise,
    sketch_amplitude,
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
    """A drawn window: decoded image and decoded good part (r, r, 3) float32, grey levels 0..255 but not clipped, and
    the mask head's probability (r, r) float32."""

    image: np.ndarray
    good: np.ndarray
    probability: np.ndarray


@torch.inference_mode()
def draw_windows(model: Finetuned, starts: Sequence[Start], config: SeasSettings) -> list[Drawn]:
    """Draw all windows as one batch. The model must be on its device, its U-Net in the precision to draw in."""
    pipeline = model.pipeline
    device = pipeline.vae.device
    good = begin = _latents(pipeline.vae, [start.good for start in starts])
    sketched = any(start.sketched is not start.good for start in starts)
    if sketched:
        begin = _latents(pipeline.vae, [start.sketched for start in starts])
    noise = sample_noise([start.seed for start in starts], tuple(good.shape[1:])).to(device)
    solver = build_sampler(dict(pipeline.scheduler.config), config.steps, config.final_sigma)
    first = first_step(config.steps, config.strength)
    turns = first_steps(solver, first, sketch_amplitude(begin, good), config.sketch_noise)
    texts = _text(model, [model.tokens.defective(start.defect) for start in starts])
    with tapped_features(pipeline.unet) as features:
        reader = MaskReader(model, features, config.mask_steps)
        latents = draw_latents(
            guided(_unet(model), texts[1:], texts[:1], config.guidance),
            solver,
            noised_start(begin, noise, solver, first, config.start_amplitude),
            noise,
            first,
            _kept(good, [start.free for start in starts]),
            Wait(begin, turns) if sketched else None,
            reader.watch,
        )
    images, decoded = _decoded(pipeline.vae, latents)
    good_images, _ = _decoded(pipeline.vae, good)
    probability = reader.probability(decoded).float().cpu().numpy()
    return [Drawn(*parts) for parts in zip(images, good_images, probability, strict=True)]


class MaskReader:
    """Reads the mask head on the U-Net features of a drawing's last steps and averages what it says.

    The head learns on decodings of predicted clean latents; here it sees the finished latents' instead, which are
    decoded anyway. With decoder_input "noisy" it sees each step's noisy latents, at a decoding a step."""

    def __init__(self, model: Finetuned, features: UnetFeatures, steps: int) -> None:
        self._model, self._features, self._steps = model, features, steps
        self._seen: list[tuple[Tensor, Tensor, Sequence[Tensor] | None]] = []

    def watch(self, step: Step) -> None:
        """To be called after each U-Net pass, whose features must still be in the record."""
        if step.remaining >= self._steps:
            return
        assert self._features.low is not None
        assert self._features.mid is not None
        # With guidance the pass holds [empty prompt; prompt]: the last rows are the prompted ones.
        low, mid = (f[-len(step.noisy) :].to(step.noisy.dtype) for f in (self._features.low, self._features.mid))
        noisy = self._model.settings.decoder_input == "noisy"
        self._seen.append((low, mid, decoder_features(self._model.pipeline.vae, step.noisy) if noisy else None))

    def probability(self, finished: Sequence[Tensor]) -> Tensor:
        """Mean probability of defect (B, r, r), given the decoder features of the finished latents."""
        read = [self._model.mask_head(low, mid, own or finished).probability for low, mid, own in self._seen]
        return torch.stack(read).mean(dim=0)


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


def _kept(good: Tensor, free: Sequence[np.ndarray | None]) -> Kept | None:
    """A latent cell is as free as the freest pixel under it; None when everything is free everywhere."""
    if all(f is None for f in free):
        return None
    everywhere = np.ones(next(f.shape for f in free if f is not None), dtype=np.float32)
    maps = torch.from_numpy(np.stack([everywhere if f is None else f for f in free]))[:, None].to(good.device)
    return Kept(good, functional.adaptive_max_pool2d(maps, good.shape[-2:]))


def _decoded(vae: AutoencoderKL, latents: Tensor) -> tuple[np.ndarray, list[Tensor]]:
    """Scaled latents to images (B, r, r, 3) float32 in grey levels, not clipped, and their decoder features; one at
    a time to bound memory."""
    features = [decoder_features(vae, z[None]) for z in latents]
    images = torch.cat([finish_decoding(vae, parts) for parts in features])
    levels = [torch.cat(level) for level in zip(*features, strict=True)]
    return ((images.float() + 1) * 127.5).permute(0, 2, 3, 1).cpu().numpy(), levels
