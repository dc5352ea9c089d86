"""The bundled base model as a feature network: the outputs of the levels of its VAE's encoder and, where asked for,
those of the up blocks of its U-Net, which denoises the image's own latents at the last step and for an empty prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from eval.features.network import FeatureMaps, FeatureNetwork, averaged, chosen, fingerprint
from synth.seas.base import BUNDLED

_SIDE = 128
"""The resolution that the bundled base was trained at."""
_ENCODER, _UNET = 4, 4
"""Levels of the encoder, with its middle, and up blocks of the U-Net, coarse first."""
_SHRUNK, _SHRUNK_IN_UNET = 4, 32
"""Smallest cells, px of the image a side, of either."""
_STEP = 0


def load_tiny_base(levels: Sequence[int] | None = None) -> FeatureNetwork:
    """The network `tiny_base`; levels: 0 to 3 of the encoder, which are used where none are given, 4 to 7 of the
    U-Net."""
    kept = chosen(levels, _ENCODER + _UNET, range(_ENCODER), "tiny_base", "level")
    vae = AutoencoderKL.from_pretrained(str(BUNDLED / "vae"), local_files_only=True, use_safetensors=True).eval()
    weights, unet, prompt = dict(vae.encoder.state_dict()), None, torch.empty(0)
    if kept[-1] >= _ENCODER:
        unet = UNet2DConditionModel.from_pretrained(
            str(BUNDLED / "unet"), local_files_only=True, use_safetensors=True
        ).eval()
        prompt = _empty_prompt()
        weights |= {f"unet.{name}": value for name, value in unet.state_dict().items()} | {"prompt": prompt}

    def maps(pixels: Tensor) -> FeatureMaps:
        outputs = _encoded(vae, pixels)
        if unet is not None:
            outputs += _denoised(vae, unet, outputs[-1], prompt)
        return averaged([outputs[level] for level in kept])

    multiple = _SHRUNK if unet is None else _SHRUNK_IN_UNET
    return FeatureNetwork("tiny_base", _SIDE, maps, multiple, fingerprint({"levels": kept}, weights))


def _encoded(vae: AutoencoderKL, pixels: Tensor) -> list[Tensor]:
    """The outputs of the encoder's levels and of its middle."""
    encoder = vae.encoder
    x = encoder.conv_in(2 * pixels - 1)
    levels = []
    for block in encoder.down_blocks:
        x = block(x)
        levels.append(x)
    return [*levels, encoder.mid_block(x)]


def _denoised(vae: AutoencoderKL, unet: UNet2DConditionModel, middle: Tensor, prompt: Tensor) -> list[Tensor]:
    """The outputs of the U-Net's up blocks for the latents of the encoder's middle."""
    encoder = vae.encoder
    moments = vae.quant_conv(encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(middle))))
    latents = vae.config.scaling_factor * moments.chunk(2, dim=1)[0]
    outputs: list[Tensor] = []
    hooks = [
        block.register_forward_hook(lambda _module, _inputs, output: outputs.append(output)) for block in unet.up_blocks
    ]
    try:
        unet(latents, _STEP, prompt.expand(len(latents), -1, -1))
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def _empty_prompt() -> Tensor:
    """The text encoder's states for an empty prompt, (1, tokens, C)."""
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(str(BUNDLED / "tokenizer"), local_files_only=True)
    encoder = CLIPTextModel.from_pretrained(
        str(BUNDLED / "text_encoder"), local_files_only=True, use_safetensors=True, dtype=torch.float32
    ).eval()
    ids = tokenizer("", padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt").input_ids
    with torch.inference_mode():
        return encoder(ids).last_hidden_state.clone()
