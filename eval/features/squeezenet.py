"""SqueezeNet 1.1 (Iandola et al. 2016) from an ONNX file with the names of its Caffe layers, as a feature network.

Images enter as BGR 0..255 minus the mean of ImageNet, as in Caffe; no layer pads but the 3x3 expansions.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from eval.features.network import FeatureNetwork
from eval.features.onnx_weights import read_weights
from synth.errors import EvalError

_SIDE = 224
_MEAN_BGR = (104.0, 117.0, 123.0)
_POOLED_BEFORE = (2, 4, 6)
"""Fire modules that max pooling comes before."""
_KEPT = (3, 5, 7, 9)
"""Fire modules whose output is a feature map."""


def load_squeezenet(path: Path) -> FeatureNetwork:
    """The network, named after the file. EvalError where the file lacks one of its layers."""
    weights = {name: torch.from_numpy(values) for name, values in read_weights(path).items()}
    layers = ["conv1", *(f"fire{n}/{part}" for n in range(2, 10) for part in ("squeeze1x1", "expand1x1", "expand3x3"))]
    missing = [f"{name}_{kind}_0" for name in layers for kind in ("w", "b") if f"{name}_{kind}_0" not in weights]
    if missing:
        raise EvalError(f"{path} has no {missing[0]}: of ONNX files only SqueezeNet 1.1 with Caffe's names is known")

    def conv(name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return torch.relu(F.conv2d(x, weights[f"{name}_w_0"], weights[f"{name}_b_0"], stride, padding))

    def maps(pixels: Tensor) -> list[Tensor]:
        x = conv("conv1", 255 * pixels.flip(1) - torch.tensor(_MEAN_BGR)[:, None, None], stride=2)
        levels = []
        for number in range(2, 10):
            if number in _POOLED_BEFORE:
                x = F.max_pool2d(x, 3, 2)
            resized = conv(f"fire{number}/squeeze1x1", x)
            wide = conv(f"fire{number}/expand3x3", resized, padding=1)
            x = torch.cat([conv(f"fire{number}/expand1x1", resized), wide], 1)
            if number in _KEPT:
                levels.append(x)
        return levels

    return FeatureNetwork(path.stem, _SIDE, maps)
