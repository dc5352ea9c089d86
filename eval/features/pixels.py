"""The image itself as its only feature map: what a detector with a network of its own looks at."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from eval.features.network import FeatureMaps, FeatureNetwork, averaged, chosen, fingerprint

_SIDE = 256


def load_pixels(levels: Sequence[int] | None = None) -> FeatureNetwork:
    """The network `pixels`: one level (B, 3, H, W), RGB in [0, 1]."""
    chosen(levels, 1, (0,), "pixels", "level")

    def maps(pixels: Tensor) -> FeatureMaps:
        return averaged([pixels])

    return FeatureNetwork("pixels", _SIDE, maps, 1, fingerprint({"network": "pixels"}, {}))
