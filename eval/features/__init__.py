"""Feature networks, by name: what images are compared with. Figures carry the network's name, since two networks
give two different figures.

| name          | what it is                                                                                    |
|---------------|-----------------------------------------------------------------------------------------------|
| tiny_base     | the encoder of the bundled base model; needs no download, and knows rendered and textured parts |
| a folder      | a backbone saved by transformers, with its preprocessor_config.json                           |
| FILE.onnx     | SqueezeNet 1.1 with the names of its Caffe layers                                             |
| anything else | the Hub id of one, such as facebook/dinov2-small                                              |
"""

from __future__ import annotations

from pathlib import Path

from eval.features.network import FeatureNetwork, embed


def create(name: str = "tiny_base") -> FeatureNetwork:
    """The network of this name, ready to use. EvalError where there is none."""
    if name == "tiny_base":
        from eval.features.tiny_base import load_tiny_base

        return load_tiny_base()
    if name.endswith(".onnx"):
        from eval.features.squeezenet import load_squeezenet

        return load_squeezenet(Path(name))
    from eval.features.pretrained import load_pretrained

    return load_pretrained(name)


__all__ = ["FeatureNetwork", "create", "embed"]
