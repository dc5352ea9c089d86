"""Point-MAE (Pang et al. 2022, arXiv 2203.06604) as a network of points: the encoder of the masked autoencoder that its
authors publish, over every group of a cloud.

The cloud is put into the unit sphere, as in its training. Groups of points round farthest-point centres become tokens;
the embedding of a centre is added before every block; a level is the output of a block under the final LayerNorm. The
published detectors never put the network into evaluation mode: batch norm uses the statistics of the cloud at hand, and
up to a tenth of the residual branches is dropped at random. `train_compat` keeps the former and leaves the latter out,
which makes features random.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.features.network import chosen, fingerprint, thirds
from eval.features.point_groups import curvatures, farthest_points, nearest_groups, surface_groups
from eval.features.point_mae_file import read_weights
from eval.features.point_network import PointFeatures, PointNetwork, check_points
from synth.errors import EvalError

_HEAD = 64
"""Channels of an attention head."""
_WIDE = 512
"""Channels of a point in the second half of the published tokeniser; half of them in the first."""
_LEAST = 4
_AT_ONCE = 128
"""Groups that become tokens together, unless batch norm needs all: bounds the memory to this * points * 512 floats."""


def load_point_mae(
    path: Path,
    groups: int = 1024,
    size: int = 128,
    grouping: Literal["nearest", "surface"] = "nearest",
    levels: Sequence[int] | None = None,
    train_compat: bool = False,
) -> PointNetwork:
    """The network `point_mae` with the weights of a published checkpoint, or of safetensors under the same names.

    groups: of a cloud; size: points of a group; grouping: the nearest points of a centre, or those that are reached
    along the surface (MuSc-V2: 128, of which the 80 nearest begin it); levels: of the blocks, the last of each third if
    None; train_compat: batch norm by the statistics of the cloud. EvalError where the file lacks a weight or holds no
    finite numbers."""
    weights = read_weights(path)
    depth = _depth(weights)
    taps = chosen(levels, depth, thirds(depth), path.name, "block")
    network = _filled(weights, taps[-1] + 1, path).requires_grad_(False).eval()
    if train_compat:
        network.use_own_statistics()

    def tokens(points: Tensor) -> PointFeatures:
        check_points(points, _LEAST)
        sphere = in_unit_sphere(points.float())
        index = farthest_points(sphere, groups)
        if grouping == "surface":
            members, bent = surface_groups(sphere, index, size, size * 5 // 8)
        else:
            members = nearest_groups(sphere, index, size)
            bent = curvatures(sphere, members)
        with torch.inference_mode():
            found = network(sphere[members] - sphere[index][:, None], sphere[index], taps, not train_compat)
        return PointFeatures([level.clone() for level in found], points[index], index, bent)

    settings = {"groups": groups, "size": size, "grouping": grouping, "levels": taps, "train_compat": train_compat}
    return PointNetwork(
        f"point_mae{'_surface' if grouping == 'surface' else ''}", fingerprint(settings, network.state_dict()), tokens
    )


def open_point_mae(path: Path) -> PointMae:
    """The whole network of a checkpoint, for a training to begin with. EvalError as `load_point_mae`."""
    weights = read_weights(path)
    return _filled(weights, _depth(weights), path)


def _depth(weights: dict[str, Tensor]) -> int:
    numbered = [re.match(r"blocks\.blocks\.(\d{1,3})\.", name) for name in weights]
    return 1 + max((int(found[1]) for found in numbered if found), default=-1)


def in_unit_sphere(points: Tensor) -> Tensor:
    """Points (n, 3) about their mean, the farthest at a distance of 1."""
    centred = points - points.mean(0)
    return centred / centred.norm(dim=1).max().clamp(min=torch.finfo(torch.float32).tiny)


class PointMae(nn.Module):
    """Groups (G, M, 3) about their centres and the centres (G, 3) -> levels (G, C). The names are the checkpoint's.
    wide: channels of a point in the tokeniser, which takes nearly all the time."""

    def __init__(self, width: int, depth: int, wide: int = _WIDE) -> None:
        super().__init__()
        self.encoder = _Tokeniser(width, wide)
        self.pos_embed = nn.Sequential(nn.Linear(3, 128), nn.GELU(), nn.Linear(128, width))
        self.blocks = nn.Module()
        self.blocks.blocks = nn.ModuleList([_Block(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, groups: Tensor, centres: Tensor, taps: Sequence[int], apart: bool = True) -> list[Tensor]:
        """taps: the blocks whose outputs are wanted; apart: whether groups may become tokens in parts."""
        parts = groups.split(_AT_ONCE) if apart else [groups]
        x, position = torch.cat([self.encoder(part) for part in parts])[None], self.pos_embed(centres)[None]
        found = []
        for number, block in enumerate(self.blocks.blocks):
            x = block(x + position)
            if number in taps:
                found.append(self.norm(x)[0])
        return found

    def use_own_statistics(self) -> None:
        """Batch norm by the mean and variance of what it is given, which leaves no trace."""
        for part in self.modules():
            if isinstance(part, nn.BatchNorm1d):
                part.track_running_stats, part.running_mean, part.running_var = False, None, None


class _Tokeniser(nn.Module):
    """Groups (G, M, 3) -> tokens (G, C): a small PointNet."""

    def __init__(self, width: int, wide: int) -> None:
        super().__init__()
        narrow, half = wide // 4, wide // 2
        self.first_conv = nn.Sequential(
            nn.Conv1d(3, narrow, 1), nn.BatchNorm1d(narrow), nn.ReLU(), nn.Conv1d(narrow, half, 1)
        )
        self.second_conv = nn.Sequential(
            nn.Conv1d(wide, wide, 1), nn.BatchNorm1d(wide), nn.ReLU(), nn.Conv1d(wide, width, 1)
        )

    def forward(self, groups: Tensor) -> Tensor:
        points = self.first_conv(groups.transpose(1, 2))
        whole = points.amax(2, keepdim=True).expand_as(points)
        joined: Tensor = self.second_conv(torch.cat([whole, points], 1))
        return joined.amax(2)


class _Block(nn.Module):
    """Attention and a perceptron, each under a norm before it and added to its input (B, G, C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.Module()
        self.attn.qkv, self.attn.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        heads = self.attn.qkv(self.norm1(x)).unflatten(2, (3, -1, _HEAD)).permute(2, 0, 3, 1, 4)
        x = x + self.attn.proj(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
        return x + self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


def _filled(weights: dict[str, Tensor], depth: int, path: Path) -> PointMae:
    """The network of as many blocks with its weights among those of a file."""
    width = weights["norm.weight"].numel() if "norm.weight" in weights else 0
    if width == 0 or width % _HEAD:
        raise EvalError(f"{path} holds no norm.weight of a multiple of {_HEAD} numbers: it is no Point-MAE checkpoint")
    network = PointMae(width, depth)
    own = network.state_dict()
    for name, value in own.items():
        if name not in weights or weights[name].shape != value.shape or not bool(weights[name].isfinite().all()):
            shape = tuple(value.shape)
            raise EvalError(f"{path} has no {name} of finite numbers in shape {shape}: download the checkpoint again")
    network.load_state_dict({name: weights[name] for name in own})
    return network
