"""What a network costs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode


def multiplications(call: Callable[..., object], *inputs: Tensor) -> float:
    """Multiplications of matrices and convolutions in one call."""
    with torch.inference_mode(False), torch.no_grad(), FlopCounterMode(display=False) as counter:
        call(*inputs)
    return counter.get_total_flops() / 2


def device() -> torch.device:
    """Where networks are trained and asked: the accelerator where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
