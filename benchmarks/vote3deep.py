"""What does a convolution by votes cost beside the dense one, and does L1 make Vote3Deep cheaper?

python benchmarks/vote3deep.py                       one layer: 128^3 cells, 16,384 of them occupied, 3^3, 8 -> 8
python benchmarks/vote3deep.py --extent 256          the same cells in a grid of eight times the size
python benchmarks/vote3deep.py --run outputs/RUN     a localiser a sparsity on a run: figures, occupancy, operations, ms

Time of the processor, best of the repeats; the cells are a bent sheet, so that they touch. A whole localiser learns
from the run's samples on two thirds of the good images and is measured on those of the last third.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from timing import seconds
from torch import Tensor
from torch.nn import functional as F

from eval import detectors
from eval.benchmark.data import categories
from eval.detectors.vote3deep.voting import cast, votes
from eval.metrics import auroc

SPARSITIES = (0.0, 1e-4, 1e-3, 1e-2)


def sheet(cells: int, extent: int) -> Tensor:
    """Coordinates (cells, 3) of a bent sheet in the first 128 cells of each axis."""
    side = round(cells**0.5)
    x, y = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    z = (64 + 20 * torch.sin(x / 25) * torch.cos(y / 30)).long()
    scale = max(1, 128 // side)
    return torch.stack([x.flatten() * scale, y.flatten() * scale, z.flatten()], 1).clamp(max=extent - 1).unique(dim=0)


@torch.inference_mode()
def layer(cells: int, extent: int, channels: int, side: int, repeats: int) -> dict[str, float]:
    """Milliseconds of one layer in both forms, and by how much they differ."""
    coords, dims, kernel = sheet(cells, extent), (extent,) * 3, (side,) * 3
    rng = torch.Generator().manual_seed(0)
    features = torch.randn(len(coords), channels, generator=rng)
    weight = torch.randn(channels, channels, *kernel, generator=rng) / (channels * side**3) ** 0.5
    bias = -torch.rand(channels, generator=rng)
    grid = torch.zeros(1, channels, *dims)
    grid[0][:, coords[:, 0], coords[:, 1], coords[:, 2]] = features.T
    cast_by = votes(coords, dims, kernel)
    found = F.relu(cast(features, cast_by, weight, bias))
    dense = F.relu(F.conv3d(grid, weight, bias, padding=side // 2))
    place = cast_by.coords
    apart = (found - dense[0][:, place[:, 0], place[:, 1], place[:, 2]].T).abs().max()
    mapped = 1000 * seconds(lambda: votes(coords, dims, kernel), repeats)
    values = 1000 * seconds(lambda: cast(features, cast_by, weight, bias), repeats)
    whole = 1000 * seconds(lambda: F.conv3d(grid, weight, bias, padding=side // 2), repeats)
    return {
        "cells": len(coords),
        "extent": extent,
        "map_ms": mapped,
        "values_ms": values,
        "dense_ms": whole,
        "times_faster": whole / (mapped + values),
        "multiplications": cast_by.multiplications(channels, channels),
        "dense_multiplications": extent**3 * side**3 * channels**2,
        "apart": float(apart),
    }


def localiser(run: Path, sparsity: float, steps: int) -> list[dict[str, object]]:
    """A localiser on each product of a run, and what its layers take in."""
    found: list[dict[str, object]] = []
    for category in categories(run, "synthetic"):
        detector = detectors.create("vote3deep", sparsity=sparsity, steps=steps)
        began = time.perf_counter()
        detector.fit(category.good, category.defects)
        fitted, began = time.perf_counter() - began, time.perf_counter()
        judged = detector.predict(category.test)
        shown = (time.perf_counter() - began) / len(category.test)
        costs = detector.costs(category.test)  # type: ignore[attr-defined]
        found.append(
            {
                "data": category.name,
                "sparsity": sparsity,
                "image_auroc": auroc(judged.score, np.array([one.defect is not None for one in category.test])),
                "occupied_by_layer": [float(np.mean([c.outputs for c in layer])) for layer in zip(*costs, strict=True)],
                "multiplications": float(np.mean([sum(c.multiplications for c in each) for each in costs])),
                "fit_s": fitted,
                "ms_a_cloud": 1000 * shown,
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=16_384)
    parser.add_argument("--extent", type=int, default=128)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--side", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--run", type=Path, help="a finished run of clouds or RGB-D scans")
    parser.add_argument("--steps", type=int, default=600)
    args = parser.parse_args()
    if args.run is None:
        print(json.dumps(layer(args.cells, args.extent, args.channels, args.side, args.repeats), indent=1))
        return
    for sparsity in SPARSITIES:
        for one in localiser(args.run, sparsity, args.steps):
            print(json.dumps(one), flush=True)


if __name__ == "__main__":
    main()
