"""Where a segmenter's training begins: weights that already know procedural marks, where the package has some, or an
encoder that knows ImageNet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from eval.segmenters.config import ConvolutionalConfig, LiteUnetConfig, TrainingConfig
from synth.errors import EvalError
from synth.io.atomic import replacing

if TYPE_CHECKING:
    from eval.segmenters.segmenter import Segmenter

FOLDER = Path(__file__).parent / "weights"


def shipped(name: str, config: ConvolutionalConfig) -> Path:
    """The file of a network's first weights; each width has its own."""
    return FOLDER / f"{name}-{config.width:g}.safetensors"


def begin(network: nn.Module, name: str, config: TrainingConfig) -> None:
    """Give the network its first weights where its config asks for them and the package has them."""
    if isinstance(config, LiteUnetConfig) and config.start == "imagenet":
        from eval.segmenters.lite_unet import LiteUnet

        assert isinstance(network, LiteUnet)
        network.encoder.know_imagenet()
    if isinstance(config, ConvolutionalConfig) and config.start == "marks":
        path = shipped(name, config)
        if path.is_file():
            try:
                network.load_state_dict(load_file(path))
            except (SafetensorError, OSError, RuntimeError) as problem:
                raise EvalError(f"{path} is damaged ({str(problem).splitlines()[0]}): reinstall flawsmith") from problem


def write(segmenter: Segmenter, path: Path) -> None:
    """The weights of a trained segmenter as half-precision safetensors."""
    path.parent.mkdir(exist_ok=True)
    weights = segmenter.weights()
    half = {key: (value.half() if value.is_floating_point() else value).contiguous() for key, value in weights.items()}
    with replacing(path) as temporary:
        save_file(half, temporary)
