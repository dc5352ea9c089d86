"""A start for a VAE that must learn in minutes: before any training it already passes a thumbnail of the image.

Group norms in the default start erase a flat image's brightness and colour, and learning them back takes thousands
of steps. Here three channels carry red, green and blue through every level: averaged on the way down, repeated on the
way up. All residual branches start at zero; all other channels start random and are free to learn detail.

Two norms lie on the way. Next to the colours x they get their negatives and constant channels +-REFERENCE, whose
spread dominates, so the norm only divides by s; and silu(x / s) - silu(-x / s) = x / s undoes the activation exactly.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

REFERENCE = 2.0
NARROW = -8.0
"""Log variance of the posterior at the start: sampling adds 2 % of noise."""


@torch.no_grad()
def start_as_thumbnail(vae: AutoencoderKL) -> None:
    """Set the weights of an untrained VAE as above, the rest from torch's generator. Its first two widths, and its last
    two, must differ, and a norm group must hold 12 channels or more: the first holds colours and references."""
    for module in vae.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            nn.init.zeros_(module.bias)
    for module in vae.modules():
        if isinstance(module, ResnetBlock2D):
            nn.init.zeros_(module.conv2.weight)
            if module.conv_shortcut is not None:
                _carry(module.conv_shortcut)
    encoder, decoder, latents = vae.encoder, vae.decoder, vae.config.latent_channels
    _carry(encoder.conv_in)
    _carry(decoder.conv_in)
    for block in encoder.down_blocks:
        for down in block.downsamplers or ():
            _carry(down.conv, mean_of=((0, 0), (0, 1), (1, 0), (1, 1)))
    for block in decoder.up_blocks:
        for up in block.upsamplers or ():
            _carry(up.conv)
    encoded = encoder.mid_block.resnets[-1].conv2
    _out(encoder.conv_out, _pairs(encoder.down_blocks[-1].resnets[0].conv_shortcut), encoded, vae)
    last = decoder.up_blocks[-1].resnets
    _out(decoder.conv_out, _pairs(last[0].conv_shortcut), last[-1].conv2, vae)
    nn.init.eye_(vae.quant_conv.weight[:, :, 0, 0])
    nn.init.eye_(vae.post_quant_conv.weight[:, :, 0, 0])
    vae.quant_conv.weight[latents:] = 0
    vae.quant_conv.bias[latents:] = NARROW


def _carry(conv: nn.Conv2d, mean_of: tuple[tuple[int, int], ...] | None = None) -> None:
    """Outputs 0..2 are inputs 0..2, at the middle tap or averaged over the given taps."""
    taps = mean_of or ((conv.kernel_size[0] // 2, conv.kernel_size[1] // 2),)
    conv.weight[:3] = 0
    for colour in range(3):
        for row, column in taps:
            conv.weight[colour, colour, row, column] = 1 / len(taps)


def _pairs(shortcut: nn.Conv2d) -> list[tuple[int, int]]:
    """Channels that hold each colour and its negative from the last change of width on: +0 -3, +1 -4, +2 -5."""
    shortcut.weight[3:6] = -shortcut.weight[:3]
    return [(colour, colour + 3) for colour in range(3)]


def _out(conv: nn.Conv2d, pairs: list[tuple[int, int]], before: nn.Conv2d, vae: AutoencoderKL) -> None:
    """Outputs 0..2 of the last convolution are the colours; references go into the channels before its norm."""
    width, groups = conv.in_channels, vae.config.norm_num_groups
    size = width // groups
    references = torch.zeros(width)
    references[6:] = REFERENCE * (1 - 2 * (torch.arange(width - 6) % 2))
    before.bias.copy_(references)
    conv.weight[:3] = 0
    middle = conv.kernel_size[0] // 2
    for colour, (plus, minus) in enumerate(pairs):
        for channel, sign in ((plus, 1), (minus, -1)):
            group = references[channel // size * size : (channel // size + 1) * size]
            conv.weight[colour, channel, middle, middle] = sign * _spread(group)


def _spread(references: Tensor) -> float:
    """Deviation of a group that holds these constants besides small signals."""
    return float((references.square().mean() - references.mean().square() + 0.1).sqrt())
