"""Feature networks, by name: what images are compared with. Figures carry the network's name, since two networks
give two different figures.

| name               | what it is, and its levels                                                                   |
|--------------------|----------------------------------------------------------------------------------------------|
| efficientnet_lite0 | knows ImageNet; needs the extra `imagenet`. Of 16 blocks 2, 4, 10: at 1/4, 1/8, 1/16         |
| tiny_base          | the bundled base model; needs no download, and knows rendered and textured parts. 0 to 3 of  |
|                    | its encoder; also 4 to 7 of its U-Net                                                        |
| pixels             | the image itself, at 256 px: for networks that learn from it directly. 0                     |
| random             | patches under a fixed random projection: the control. 0, 1, 2: patches of 4, 8 and 16 px     |
| FILE.onnx          | SqueezeNet 1.1 with the names of its Caffe layers. Of 8 fire modules 1, 3, 5, 7              |
| a folder           | a network saved by transformers, with its preprocessor_config.json: a vision transformer,    |
|                    | of whose blocks those after each third, or a backbone, of whose stages (0 the stem) the last |
|                    | two                                                                                          |
| anything else      | the Hub id of one, such as facebook/dino-vitb8                                               |
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.features.network import FeatureMaps, FeatureNetwork, embed


def create(
    name: str = "tiny_base", levels: Sequence[int] | None = None, cache: str | Path | None = None
) -> FeatureNetwork:
    """The network of this name, ready to use; levels: which of its blocks or stages, its own choice if None; cache: a
    folder in which features are kept. EvalError where there is none, or no such level."""
    network = _opened(name, levels)
    if cache is None or name == "pixels":
        return network
    from eval.features.cache import FeatureCache, cached_network

    return cached_network(network, FeatureCache(cache))


def _opened(name: str, levels: Sequence[int] | None) -> FeatureNetwork:
    if name == "tiny_base":
        from eval.features.tiny_base import load_tiny_base

        return load_tiny_base(levels)
    if name == "efficientnet_lite0":
        from eval.features.imagenet import load_efficientnet_lite0

        return load_efficientnet_lite0(levels)
    if name == "pixels":
        from eval.features.pixels import load_pixels

        return load_pixels(levels)
    if name == "random":
        from eval.features.random_patches import load_random

        return load_random(levels)
    if name.endswith(".onnx"):
        from eval.features.squeezenet import load_squeezenet

        return load_squeezenet(Path(name), levels)
    from eval.features.pretrained import load_pretrained

    return load_pretrained(name, levels)


__all__ = ["FeatureMaps", "FeatureNetwork", "create", "embed"]
