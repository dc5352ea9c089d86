"""Drawing in a batch of windows with a fine-tuned model: encode, noise, denoise, read the mask, decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from synth.seas.config import SeasSettings
from synth.seas.features import UnetFeatures, decoder_features, finish_decoding, tapped_features
from synth.seas.finetune import Finetuned
from synth.seas.plan import Drawn, Start
from synth.seas.pool import encode
from synth.seas.prompts import token_ids
from synth.seas.sampler import Group, Step, build_sampler, draw_latents, guided, sample_noise


@torch.inference_mode()
def draw_windows(model: Finetuned, starts: Sequence[Start], config: SeasSettings) -> list[Drawn]:
    """Draw all windows as one batch. The model must be on its device, its U-Net in the precision to draw in."""
    order = sorted(range(len(starts)), key=lambda index: -starts[index].taken)
    ordered = [starts[index] for index in order]
    pipeline = model.pipeline
    begin = _latents(pipeline.vae, [start.begin for start in ordered])
    texts = _text(model, [model.tokens.defective(start.defect) for start in ordered])
    with tapped_features(pipeline.unet) as features:
        reader = MaskReader(model, features, config.mask_steps)
        latents = draw_latents(
            guided(_unet(model), texts[1:], texts[:1], config.guidance),
            lambda: build_sampler(dict(pipeline.scheduler.config), config.steps, config.final_sigma),
            _groups(ordered, begin),
            config.start_amplitude,
            reader.watch if any(start.read for start in starts) else None,
        )
    images, decoded = _decoded(pipeline.vae, latents)
    begun, _ = _decoded(pipeline.vae, begin)
    probability: Sequence[np.ndarray | None] = [None] * len(starts)
    if any(start.read for start in starts):
        probability = list(reader.probability(decoded).float().cpu().numpy())
    drawn = [Drawn(*parts) for parts in zip(images, begun, probability, strict=True)]
    return [drawn[order.index(index)] for index in range(len(starts))]


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
        """Mean probability of defect (B, r, r), given the decoder features of the finished latents. Those that came
        later are the last ones, and are averaged over fewer steps."""
        total, steps = torch.zeros(()), torch.zeros(len(finished[0]), 1, 1)
        for low, mid, own in self._seen:
            there = own or [level[: len(low)] for level in finished]
            read = self._model.mask_head(low, mid, there).probability
            late = len(finished[0]) - len(read)
            total = total.to(read.device) + functional.pad(read, (0, 0, 0, 0, 0, late))
            steps[: len(read)] += 1
        return total / steps.to(total.device)


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


def _groups(starts: Sequence[Start], begin: Tensor) -> list[Group]:
    """The windows, in the order of their steps, and their latents (B, C, h, w), by how many steps they take."""
    noise = sample_noise([start.seed for start in starts], tuple(begin.shape[1:])).to(begin.device)
    free = _free(begin, [start.free for start in starts])
    groups, first = [], 0
    for taken, alike in groupby(starts, key=lambda start: start.taken):
        rows = slice(first, first + len(list(alike)))
        groups.append(Group(taken, begin[rows], noise[rows], None if free is None else free[rows]))
        first = rows.stop
    return groups


def _free(begin: Tensor, free: Sequence[np.ndarray | None]) -> Tensor | None:
    """A latent cell is as free as the freest pixel under it; None when everything is free everywhere."""
    if all(f is None for f in free):
        return None
    everywhere = np.ones(next(f.shape for f in free if f is not None), dtype=np.float32)
    maps = torch.from_numpy(np.stack([everywhere if f is None else f for f in free]))[:, None].to(begin.device)
    return functional.adaptive_max_pool2d(maps, begin.shape[-2:])


def _decoded(vae: AutoencoderKL, latents: Tensor) -> tuple[np.ndarray, list[Tensor]]:
    """Scaled latents to images (B, r, r, 3) float32 in grey levels, not clipped, and their decoder features; one at
    a time to bound memory."""
    features = [decoder_features(vae, z[None]) for z in latents]
    images = torch.cat([finish_decoding(vae, parts) for parts in features])
    levels = [torch.cat(level) for level in zip(*features, strict=True)]
    return ((images.float() + 1) * 127.5).permute(0, 2, 3, 1).cpu().numpy(), levels
