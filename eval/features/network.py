"""A feature network and how images become vectors with it, whole or inside their masks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from synth.errors import EvalError
from synth.io.json_text import json_text

BATCH = 16


@dataclass(frozen=True)
class FeatureMaps:
    """levels: (B, C_k, h_k, w_k) float32 each, by depth; whole: one vector an image (B, D): the class token of the last
    level where there is one, else the mean over its cells."""

    levels: list[Tensor]
    whole: Tensor


@dataclass(frozen=True)
class FeatureNetwork:
    """name: part of the names of all figures; side: px that the network was trained at; maps: RGB (B, 3, H, W) float32
    in [0, 1] -> feature maps; multiple: H and W must be multiples of it; identity: sha256 over weights and settings."""

    name: str
    side: int
    maps: Callable[[Tensor], FeatureMaps]
    multiple: int = 1
    identity: str = ""


def averaged(levels: Sequence[Tensor]) -> FeatureMaps:
    """The feature maps of a network without a class token."""
    return FeatureMaps([level.float() for level in levels], levels[-1].float().mean((2, 3)))


def fingerprint(settings: Mapping[str, Any], weights: Mapping[str, Tensor]) -> str:
    """sha256 over settings, which JSON can hold, and the names, shapes and values of all weights."""
    digest = hashlib.sha256(json_text(settings, sort_keys=True).encode())
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def chosen(levels: Sequence[int] | None, count: int, usual: Sequence[int], name: str, what: str) -> tuple[int, ...]:
    """The levels of a network by depth: those given, or the usual ones. EvalError unless they are different numbers
    below `count`; what: their name for the message, such as block."""
    if levels is None:
        return tuple(usual)
    wrong = [level for level in levels if level not in range(count)]
    if wrong or not levels or len(set(levels)) < len(levels):
        raise EvalError(
            f"{name}: levels are {list(levels)}, wanted one or more {what}s from 0 to {count - 1}, each once"
        )
    return tuple(sorted(levels))


def thirds(depth: int) -> tuple[int, ...]:
    """The last block of each third: 3, 7 and 11 of twelve, which MuSc-V2 and M3DM use."""
    return tuple(sorted({max(depth * third // 3, 1) - 1 for third in (1, 2, 3)}))


def embed(
    network: FeatureNetwork, images: Sequence[np.ndarray], masks: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """One vector an image: mean and standard deviation of every channel of every map, (N, D) float32; over the mask
    alone where masks are given, in which a cell counts by the share of it that is defect. images uint8 (H, W, 3), masks
    bool (H, W); sizes may differ."""
    if masks is not None and len(masks) != len(images):
        raise EvalError(f"there are {len(images)} images and {len(masks)} masks; give one mask an image")
    vectors = [np.empty((0, 0), np.float32)] if not images else []
    for start in range(0, len(images), BATCH):
        chosen = slice(start, start + BATCH)
        pixels = torch.stack([_resized(image, network.side) for image in images[chosen]])
        weights = torch.ones(len(pixels), 1, network.side, network.side)
        if masks is not None:
            weights = torch.stack([_weight(mask, network.side) for mask in masks[chosen]])
        with torch.inference_mode():
            vectors.append(torch.cat([_pooled(level, weights) for level in network.maps(pixels).levels], dim=1).numpy())
    return np.concatenate(vectors)


def _pooled(maps: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and standard deviation over the cells: maps (B, C, h, w), weights (B, 1, H, W) -> (B, 2 C)."""
    share = torch.nn.functional.adaptive_avg_pool2d(weights, maps.shape[-2:])
    share = share / share.sum((2, 3), keepdim=True)
    mean = (maps * share).sum((2, 3))
    variance = ((maps - mean[..., None, None]).square() * share).sum((2, 3))
    return torch.cat([mean, variance.clamp(min=0).sqrt()], dim=1).float()


def _resized(image: np.ndarray, side: int) -> Tensor:
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(small, np.float32) / 255).permute(2, 0, 1)


def _weight(mask: np.ndarray, side: int) -> Tensor:
    if not mask.any():
        raise EvalError("a mask is empty: features inside it do not exist; leave good images out")
    image = Image.fromarray(mask.astype(np.float32))
    method = Image.Resampling.BOX if min(mask.shape) > side else Image.Resampling.BILINEAR
    return torch.from_numpy(np.array(image.resize((side, side), method)))[None] + 1e-8
