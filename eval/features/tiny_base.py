"""The encoder of the bundled base model as a feature network: the output of each of its levels."""

from __future__ import annotations

from diffusers import AutoencoderKL
from torch import Tensor

from eval.features.network import FeatureNetwork
from synth.seas.base import BUNDLED

_SIDE = 128
"""The resolution that the bundled base was trained at."""


def load_tiny_base() -> FeatureNetwork:
    """The network `tiny_base`."""
    vae = AutoencoderKL.from_pretrained(str(BUNDLED / "vae"), local_files_only=True, use_safetensors=True)
    encoder = vae.encoder.eval()

    def maps(pixels: Tensor) -> list[Tensor]:
        x = encoder.conv_in(2 * pixels - 1)
        levels = []
        for block in encoder.down_blocks:
            x = block(x)
            levels.append(x)
        return [*levels, encoder.mid_block(x)]

    return FeatureNetwork("tiny_base", _SIDE, maps)
