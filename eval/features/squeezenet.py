"""SqueezeNet 1.1 (Iandola et al. 2016) from an ONNX file with the names of its Caffe layers, as a feature network.

Images enter as BGR 0..255 minus the mean of ImageNet, as in Caffe; no layer pads but the 3x3 expansions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from eval.features.network import FeatureMaps, FeatureNetwork, averaged, chosen, fingerprint
from eval.features.onnx_weights import read_weights
from synth.errors import EvalError

_SIDE = 224
_MEAN_BGR = (104.0, 117.0, 123.0)
_POOLED_BEFORE = (2, 4, 6)
"""Fire modules that max pooling comes before."""
_FIRST, _LAST = 2, 9
"""Fire modules, as their layers are numbered."""
_USUAL = (1, 3, 5, 7)
"""Fire modules, from 0 on, whose output is a feature map unless others are asked for."""


_FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}
"""Channels of each fire module: squeezed, and of either expansion."""


def load_squeezenet(path: Path, levels: Sequence[int] | None = None) -> FeatureNetwork:
    """The network, named after the file; levels: fire modules, from 0 to 7. EvalError where the file lacks one of its
    layers or is damaged."""
    kept = chosen(levels, _LAST - _FIRST + 1, _USUAL, path.name, "fire module")
    weights = {name: torch.from_numpy(values) for name, values in read_weights(path).items()}
    shapes = _shapes()
    for name, shape in shapes.items():
        if name not in weights or tuple(weights[name].shape) != shape or not weights[name].isfinite().all():
            raise EvalError(
                f"{path} has no {name} of finite numbers in shape {shape}: of ONNX files only SqueezeNet 1.1 with "
                "Caffe's names is known; copy it again"
            )

    def conv(name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return torch.relu(F.conv2d(x, weights[f"{name}_w_0"], weights[f"{name}_b_0"], stride, padding))

    def maps(pixels: Tensor) -> FeatureMaps:
        x = conv("conv1", 255 * pixels.flip(1) - torch.tensor(_MEAN_BGR)[:, None, None], stride=2)
        outputs = []
        for number in range(_FIRST, _FIRST + max(kept) + 1):
            if number in _POOLED_BEFORE:
                x = F.max_pool2d(x, 3, 2)
            narrow = conv(f"fire{number}/squeeze1x1", x)
            wide = conv(f"fire{number}/expand3x3", narrow, padding=1)
            x = torch.cat([conv(f"fire{number}/expand1x1", narrow), wide], 1)
            if number - _FIRST in kept:
                outputs.append(x)
        return averaged(outputs)

    identity = fingerprint({"network": "squeezenet1_1", "levels": kept}, {name: weights[name] for name in shapes})
    return FeatureNetwork(path.stem, _SIDE, maps, identity=identity)


def _shapes() -> dict[str, tuple[int, ...]]:
    """The shape of every weight by its name."""
    layers, inputs = {"conv1": (64, 3, 3, 3)}, 64
    for number, (narrow, wide) in _FIRES.items():
        layers[f"fire{number}/squeeze1x1"] = (narrow, inputs, 1, 1)
        layers[f"fire{number}/expand1x1"] = (wide, narrow, 1, 1)
        layers[f"fire{number}/expand3x3"] = (wide, narrow, 3, 3)
        inputs = 2 * wide
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in layers.items():
        shapes |= {f"{name}_w_0": shape, f"{name}_b_0": shape[:1]}
    return shapes
