"""Clouds that are made for tests, in metres, before a camera at (0, 0, 0)."""

import numpy as np
import torch


def sheet(side: int = 40, dent: float = 0.0, seed: int = 0, scale: float = 1.0):
    """An organised bent sheet of 0.1 m: points (n, 3) float32 and their places (n, 2) in an image of side x side px;
    dent: metres, at a quarter of the height and of the width."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side)).reshape(2, -1)
    xy = (np.stack([columns, rows], 1) + rng.uniform(-0.2, 0.2, (side * side, 2))) / side * 0.1 - 0.05
    z = 0.4 + 0.006 * np.sin(40 * xy[:, 0]) * np.cos(30 * xy[:, 1])
    z += dent * np.exp(-((rows - side / 4) ** 2 + (columns - side / 4) ** 2) / (2 * (side / 25) ** 2))
    points = scale * np.concatenate([xy, z[:, None]], axis=1)
    return torch.from_numpy(points).float(), torch.from_numpy(np.stack([rows, columns], 1))


def checkpoint(width: int = 64, depth: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of a small Point-MAE encoder under the names of its authors, without their prefixes."""
    generator = torch.Generator().manual_seed(seed)

    shapes = {
        "encoder.first_conv.0": (128, 3, 1),
        "encoder.first_conv.3": (256, 128, 1),
        "encoder.second_conv.0": (512, 512, 1),
        "encoder.second_conv.3": (width, 512, 1),
        "pos_embed.0": (128, 3),
        "pos_embed.2": (width, 128),
    }
    norms = {"norm": width}
    for number in range(depth):
        block = f"blocks.blocks.{number}"
        shapes |= {f"{block}.attn.qkv": (3 * width, width), f"{block}.attn.proj": (width, width)}
        shapes |= {f"{block}.mlp.fc1": (4 * width, width), f"{block}.mlp.fc2": (width, 4 * width)}
        norms |= {f"{block}.norm1": width, f"{block}.norm2": width}
    weights = {}
    for name, (outputs, inputs, *one) in shapes.items():
        values = torch.randn(outputs, inputs, generator=generator) / inputs**0.5
        weights[f"{name}.weight"] = values.reshape(outputs, inputs, *one)
        if not name.endswith("qkv"):
            weights[f"{name}.bias"] = 0.1 * torch.randn(outputs, generator=generator)
    for name, count in norms.items():
        weights |= {f"{name}.weight": 1 + 0.1 * torch.randn(count, generator=generator)}
        weights |= {f"{name}.bias": 0.1 * torch.randn(count, generator=generator)}
    for name, count in {"encoder.first_conv.1": 128, "encoder.second_conv.1": 512}.items():
        weights |= {f"{name}.weight": torch.ones(count), f"{name}.bias": torch.zeros(count)}
        weights |= {f"{name}.running_mean": 0.1 * torch.randn(count, generator=generator)}
        weights |= {f"{name}.running_var": 0.5 + torch.rand(count, generator=generator)}
        weights |= {f"{name}.num_batches_tracked": torch.tensor(7)}
    return weights
