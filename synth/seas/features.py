"""What the mask head looks at: U-Net features of a denoising step, and VAE-decoder features of the image so far.

Of a U-Net with n levels it sees the outputs of the up blocks at half (`low`) and at full latent size (`mid`), for
Stable Diffusion up_blocks[1] (1280 channels, 32 x 32) and [2] (640, 64 x 64); of a decoder with m levels the outputs
of all up blocks but the last, which doubles nothing (512, 512, 256 channels at 128, 256, 512).

Published training decodes one ancestral step x_{t-1}, published drawing x_t. Here both decode the predicted clean
latents, so that the head meets in drawing what it learnt from; decoder_input="noisy" restores x_{t-1} and x_t.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn

from synth.errors import GeneratorError


@dataclass(frozen=True)
class FeatureChannels:
    """Channels of the features of one base: low, mid, and the decoder's from coarse to fine."""

    low: int
    mid: int
    decoder: tuple[int, ...]


@dataclass
class UnetFeatures:
    """Features of the last forward pass: low (B, C, h/2, w/2), mid (B, C, h, w)."""

    low: Tensor | None = None
    mid: Tensor | None = None


def feature_channels(pipeline: StableDiffusionPipeline) -> FeatureChannels:
    """The channels of a base's features. GeneratorError for a U-Net of fewer than three levels."""
    low, mid = _tapped(pipeline.unet)
    blocks = list(pipeline.vae.decoder.up_blocks)[:-1]
    return FeatureChannels(_channels(low), _channels(mid), tuple(_channels(block) for block in blocks))


@contextmanager
def tapped_features(unet: UNet2DConditionModel) -> Iterator[UnetFeatures]:
    """Within the block, forward passes of `unet` leave their features in the yielded record."""
    features = UnetFeatures()
    low, mid = _tapped(unet)
    hooks = [
        low.register_forward_hook(lambda _module, _inputs, output: setattr(features, "low", output)),
        mid.register_forward_hook(lambda _module, _inputs, output: setattr(features, "mid", output)),
    ]
    try:
        yield features
    finally:
        for hook in hooks:
            hook.remove()


def decoder_features(vae: AutoencoderKL, latents: Tensor) -> list[Tensor]:
    """Decoder features of scaled latents (B, C, h, w): (B, c_k, 2^k h, 2^k w) for k = 1, 2, ...

    The decoder's first part only: vae.decode would also make the image, and would call its blocks per tile."""
    x = vae.decoder.conv_in(vae.post_quant_conv(latents / vae.config.scaling_factor))
    x = vae.decoder.mid_block(x, None)
    features = []
    for block in list(vae.decoder.up_blocks)[:-1]:
        x = block(x, None)
        features.append(x)
    return features


def finish_decoding(vae: AutoencoderKL, features: Sequence[Tensor]) -> Tensor:
    """The image (B, 3, H, W) in about [-1, 1] whose `decoder_features` these are: together they are vae.decode."""
    decoder = vae.decoder
    return decoder.conv_out(decoder.conv_act(decoder.conv_norm_out(decoder.up_blocks[-1](features[-1], None))))


def clean_latents(scheduler: DDPMScheduler, noisy: Tensor, prediction: Tensor, timesteps: Tensor) -> Tensor:
    """z_0 as the U-Net sees it: noisy, prediction (B, C, h, w), timesteps (B,)."""
    keep, noise = _amplitudes(scheduler, timesteps, noisy)
    if scheduler.config.prediction_type == "v_prediction":
        return keep * noisy - noise * prediction
    return (noisy - noise * prediction) / keep


def ancestral_step(
    scheduler: DDPMScheduler, noisy: Tensor, prediction: Tensor, timesteps: Tensor, noise: Tensor
) -> Tensor:
    """x_{t-1} drawn from the DDPM posterior (Ho et al. 2020, eq. 6-7), with each sample at its own timestep.

    noise (B, C, h, w) standard normal; at t = 0 none is added."""
    clean = clean_latents(scheduler, noisy, prediction, timesteps)
    now = scheduler.alphas_cumprod.to(noisy.device)[timesteps]
    before = scheduler.alphas_cumprod.to(noisy.device)[(timesteps - 1).clamp(min=0)]
    before = torch.where(timesteps > 0, before, torch.ones_like(before))
    now, before = now[:, None, None, None], before[:, None, None, None]
    beta = 1 - now / before
    mean = before.sqrt() * beta / (1 - now) * clean + (now / before).sqrt() * (1 - before) / (1 - now) * noisy
    return mean + (beta * (1 - before) / (1 - now)).sqrt() * noise


def _amplitudes(scheduler: DDPMScheduler, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    kept = scheduler.alphas_cumprod.to(like.device)[timesteps].to(like.dtype)[:, None, None, None]
    return kept.sqrt(), (1 - kept).sqrt()


def _tapped(unet: UNet2DConditionModel) -> tuple[nn.Module, nn.Module]:
    levels = len(unet.up_blocks)
    if levels < 3:
        raise GeneratorError(f"the base's U-Net has {levels} levels; the mask head reads features of three")
    return unet.up_blocks[levels - 3], unet.up_blocks[levels - 2]


def _channels(block: nn.Module) -> int:
    return block.resnets[-1].out_channels
