"""Before any training the VAE passes a thumbnail: block means go in, the same colours come out."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from synth.seas.base import MICRO, build_untrained
from synth.seas.pretraining.vae_start import start_as_thumbnail


@pytest.mark.parametrize("channels", [(16, 20, 24), (16, 20, 20, 24)])
def test_an_untrained_vae_returns_the_mean_colour_of_each_block(channels):
    vae = build_untrained(replace(MICRO, vae_channels=channels, latent_channels=6, vae_norm_groups=1)).vae
    start_as_thumbnail(vae)
    factor = 2 ** (len(channels) - 1)
    generator = torch.Generator().manual_seed(0)
    blocks = 0.6 * (2 * torch.rand((2, 3, 5, 7), generator=generator) - 1)
    image = functional.interpolate(blocks, scale_factor=factor)
    with torch.no_grad():
        encoded = vae.encode(image).latent_dist
        decoded = vae.decode(encoded.mean).sample
    inner = (..., slice(factor, -factor), slice(factor, -factor))
    error = (decoded - image)[inner].abs()
    assert error.mean() < 0.05
    assert torch.corrcoef(torch.stack([decoded[inner].ravel(), image[inner].ravel()]))[0, 1] > 0.99
    assert encoded.std.max() < 0.03
