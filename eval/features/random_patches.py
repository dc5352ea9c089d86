"""Patches under a fixed random projection, at several scales: features that know nothing, for tests and as the control
of those that claim to know something. Distances between them are about those between the patches' own pixels (Johnson
and Lindenstrauss)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from eval.features.network import FeatureMaps, FeatureNetwork, averaged, chosen, fingerprint

_SIDE = 224
_PATCHES = (4, 8, 16)
"""Sides of the patches, px, which do not overlap; one level each."""
_CHANNELS = 64
_SEED = 0


def load_random(levels: Sequence[int] | None = None) -> FeatureNetwork:
    """The network `random`; levels: of its three scales, 4, 8 and 16 px."""
    scales = chosen(levels, len(_PATCHES), range(len(_PATCHES)), "random", "scale")
    generator = torch.Generator().manual_seed(_SEED)
    filters = [torch.randn(_CHANNELS, 3, side, side, generator=generator) / (side * 3**0.5) for side in _PATCHES]

    def maps(pixels: Tensor) -> FeatureMaps:
        return averaged([F.conv2d(pixels - 0.5, filters[scale], stride=_PATCHES[scale]) for scale in scales])

    weights = {str(scale): filters[scale] for scale in scales}
    largest = _PATCHES[scales[-1]]
    return FeatureNetwork("random", _SIDE, maps, largest, fingerprint({"network": "random"}, weights))
