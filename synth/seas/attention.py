"""Attention maps of single tokens, read off the U-Net while it runs.

For queries q (pixels) and keys k (tokens) of a cross-attention layer and its scale s, the published alignment loss
looks at softmax over the *pixels* of s q k^T, so that each token's map sums to one and tokens do not compete; the
layer's own output is untouched and keeps its fast kernel. `token` gives the usual softmax over tokens instead.

Maps come from the two coarsest cross-attending levels of the encoder: 32 and 16 for Stable Diffusion at 512 px.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor

from synth.errors import GeneratorError

Axis = Literal["pixel", "token"]


def aligned_layers(unet: UNet2DConditionModel) -> list[str]:
    """Names of the processors whose maps the alignment loss sees. GeneratorError for a U-Net with too few levels."""
    by_block: dict[int, list[str]] = {}
    for name in unet.attn_processors:
        parts = name.split(".")
        if parts[0] == "down_blocks" and "attn2" in parts:
            by_block.setdefault(int(parts[1]), []).append(name)
    if len(by_block) < 2:
        raise GeneratorError(f"the base's encoder cross-attends at {len(by_block)} levels; the alignment loss needs 2")
    return [name for block in sorted(by_block)[-2:] for name in by_block[block]]


@dataclass
class AttentionMaps:
    """Maps of the last forward pass. Kept by layer, so that a recomputed layer overwrites instead of adding."""

    by_layer: dict[str, Tensor] = field(default_factory=dict)

    def levels(self) -> list[Tensor]:
        """One (B, r, r, T) map a resolution r, finest first: the mean of its layers."""
        by_size: dict[int, list[Tensor]] = {}
        for maps in self.by_layer.values():
            by_size.setdefault(maps.shape[1], []).append(maps)
        return [torch.stack(by_size[size]).mean(0) for size in sorted(by_size, reverse=True)]


@dataclass
class CapturingProcessor:
    """Attends through `inner`, then keeps the first `samples` samples' maps of the token `columns`.

    The extra projection costs far less than 1 % of a step and leaves `inner` and LoRA layers as they are."""

    inner: Any
    name: str
    store: AttentionMaps
    samples: int
    columns: Sequence[int]
    axis: Axis

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        if encoder_hidden_states is None:
            raise GeneratorError(f"{self.name} is no cross-attention layer")
        hidden, text = hidden_states[: self.samples], encoder_hidden_states[: self.samples]
        self.store.by_layer[self.name] = token_maps(attn, hidden, text, self.columns, self.axis)
        return self.inner(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


def token_maps(attn: Attention, hidden: Tensor, text: Tensor, columns: Sequence[int], axis: Axis) -> Tensor:
    """Head-mean attention of a square grid of pixels to some tokens: hidden (B, r*r, C), text (B, L, D) ->
    (B, r, r, len(columns)) float32. With axis "pixel" each map sums to one."""
    if axis == "pixel":
        text = text[:, list(columns)]
    query = attn.to_q(hidden).unflatten(-1, (attn.heads, -1)).transpose(1, 2).float()
    key = attn.to_k(text).unflatten(-1, (attn.heads, -1)).transpose(1, 2).float()
    with torch.autocast(query.device.type, enabled=False):
        scores = attn.scale * query @ key.transpose(-1, -2)  # (B, heads, r*r, tokens)
        maps = scores.softmax(dim=-2) if axis == "pixel" else scores.softmax(dim=-1)[..., list(columns)]
    side = math.isqrt(hidden.shape[1])
    return maps.mean(1).unflatten(1, (side, side))


@contextmanager
def captured_maps(
    unet: UNet2DConditionModel, samples: int, columns: Sequence[int], axis: Axis
) -> Iterator[AttentionMaps]:
    """Within the block, forward passes of `unet` leave the maps of their first `samples` samples in the yielded store;
    outside it the U-Net is stock again. The block must include the backward pass where activations are recomputed."""
    stock = dict(unet.attn_processors)
    store = AttentionMaps()
    capturing = {
        name: CapturingProcessor(stock[name], name, store, samples, columns, axis) for name in aligned_layers(unet)
    }
    unet.set_attn_processor({**stock, **capturing})
    try:
        yield store
    finally:
        unet.set_attn_processor(stock)
