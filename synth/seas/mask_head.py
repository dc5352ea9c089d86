"""Refined mask prediction: the small network that reads a defect's mask off a denoising step (SeaS, section 3.3).

    coarse:  h = [up2(low W_1), mid W_2],  c = transformer(h)                      at latent size
    refine:  g_0 = c,  g_k = CBR(v_k) * m' + u,  u = up2(g_{k-1})                 v_k: VAE-decoder features
             m = CBR(CBR3(CBR(u))),  m' = m + CBR(u) + CBR(CBR3(CBR(m)))
    head:    conv3(ReLU(norm(.))) -> 2 channels, shared by the coarse and the refined branch

Good windows have no refined branch: they supervise the coarse one, enlarged. Changes against the published code:
group instead of batch normalisation (a mask must not depend on its batch mates, and the code never left training
mode), no unused convolution, width derived from the base's channels (192 as published for Stable Diffusion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from synth.seas.features import FeatureChannels

HEAD_WIDTH = 24  # channels of one attention head


@dataclass(frozen=True)
class MaskLogits:
    """Two-channel logits, channel 1 = defect: full (B, 2, H, W) at image size, coarse (B, 2, h, w) at latent size."""

    full: Tensor
    coarse: Tensor

    @property
    def probability(self) -> Tensor:
        """Probability of defect at image size, (B, H, W) float32."""
        return self.full.float().softmax(1)[:, 1]


class MaskHead(nn.Module):
    """From features of a denoising step to mask logits. All channels follow from the base's."""

    def __init__(self, channels: FeatureChannels) -> None:
        super().__init__()
        unit = max(1, min(8, round(channels.low / 160)))  # 8, so 192 wide, for Stable Diffusion
        width = HEAD_WIDTH * unit
        self.low = nn.Conv2d(channels.low, 16 * unit, 1, bias=False)
        self.mid = nn.Conv2d(channels.mid, 8 * unit, 1, bias=False)
        self.coarse = CoarseTransformer(width, heads=unit, layers=4)
        self.refine = nn.ModuleList(Refinement(width, fine) for fine in channels.decoder)
        self.head = nn.Sequential(_norm(width), nn.ReLU(), nn.Conv2d(width, 2, 3, padding=1))

    def forward(self, low: Tensor, mid: Tensor, decoder: Sequence[Tensor]) -> MaskLogits:
        """low (B, C1, h/2, w/2), mid (B, C2, h, w), decoder features v_k (A, c_k, 2^k h, 2^k w) of the first A <= B
        samples; the remaining samples' full logits come from the enlarged coarse branch."""
        up = functional.interpolate(self.low(low), mid.shape[-2:], mode="bilinear")
        coarse = self.coarse(torch.cat([up, self.mid(mid)], dim=1))
        refined = coarse[: len(decoder[0])]
        for stage, fine in zip(self.refine, decoder, strict=True):
            refined = stage(refined, fine)
        plain = functional.interpolate(coarse[len(refined) :], refined.shape[-2:], mode="bilinear")
        return MaskLogits(full=self.head(torch.cat([refined, plain])), coarse=self.head(coarse))


class CoarseTransformer(nn.Module):
    """Self-attention over all pixels of (B, width, h, w), as a residual."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(_norm(width), nn.Conv2d(width, width, 1))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.leave = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.enter(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return x + self.leave(tokens.transpose(1, 2).unflatten(2, x.shape[-2:]))


class Block(nn.Module):
    """Pre-norm self-attention, then a gated (GEGLU) feed-forward of four times the width; (B, n, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.widen = nn.Linear(width, 8 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        value, gate = self.widen(self.norm_feed(x)).chunk(2, dim=-1)
        return x + self.narrow(value * functional.gelu(gate))


class Refinement(nn.Module):
    """One step from (B, width, s, s) to (B, width, 2s, 2s), steered by decoder features (B, fine, 2s, 2s)."""

    def __init__(self, width: int, fine: int) -> None:
        super().__init__()
        self.near = nn.Sequential(_conv(width, width), _conv(width, width, 3), _conv(width, width))
        self.far = nn.Sequential(_conv(width, width), _conv(width, width, 3), _conv(width, width))
        self.skip = _conv(width, width)
        self.fine = _conv(fine, width)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        up = functional.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=True)
        near = self.near(up)
        return self.fine(fine) * (near + self.skip(up) + self.far(near)) + up


def _conv(inputs: int, outputs: int, kernel: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, _norm(outputs), nn.ReLU())


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(8, width)
