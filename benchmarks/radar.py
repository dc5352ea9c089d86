"""How much faster is one call of the noise predictor than a reconstruction that takes T steps with the same network?

OMP_NUM_THREADS=1 python benchmarks/radar.py             49 tiles of 64 px; T of 5, 10 and 20, ratio beside T / 2
python benchmarks/radar.py --size paper --steps 5,20     with the large network
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
import timeit
from collections.abc import Callable

import torch
from torch import Tensor

from eval.detectors.cost import device, multiplications
from eval.detectors.radar_style import tiles
from eval.detectors.radar_style.diffusion import STEPS, Predictor, kept_shares, noised
from eval.detectors.radar_style.evidence import evidence
from eval.detectors.radar_style.network import SIZES, new_predictor
from eval.detectors.smoothing import smoothed


def single_step(predictor: Predictor, image: Tensor, noise: Tensor, patch: int) -> Tensor:
    """The map (H, W) as `radar_style` makes it, its forest aside."""
    size = (image.shape[1], image.shape[2])
    where = tiles.corners(size, patch)
    found = evidence(predictor, tiles.cut(image, where, patch), tiles.cut(noise, where, patch), 1)
    return smoothed(tiles.blended(found.edges, where, size)[None], 2.0)[0]


def reconstruction(predictor: Predictor, image: Tensor, noise: Tensor, patch: int, steps: int) -> Tensor:
    """The map (H, W) of the usual way: noised half the way, denoised in `steps` calls without randomness (Song et al.
    2021, eq. 12), compared with the image."""
    size = (image.shape[1], image.shape[2])
    where = tiles.corners(size, patch)
    seen = tiles.cut(image, where, patch)
    path = torch.linspace(STEPS // 2, 0, steps + 1).round().long()
    x = noised(seen, tiles.cut(noise, where, patch), path[:1].expand(len(seen)))
    for now, following in itertools.pairwise(path):
        kept, left = (kept_shares()[step].float() for step in (now, following))
        predicted = predictor(x, now.expand(len(seen)))
        clean = (x - (1 - kept).sqrt() * predicted) / kept.sqrt()
        x = left.sqrt() * clean + (1 - left).sqrt() * predicted
    return tiles.blended((x - seen).square().mean(1), where, size)


def seconds(call: Callable[[], Tensor], repeat: int) -> float:
    """Of the processor, so that a busy machine does not count; of the wall where there is an accelerator."""
    timer = time.process_time if device().type == "cpu" else time.perf_counter
    return min(timeit.repeat(call, timer=timer, number=1, repeat=repeat))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--size", choices=list(SIZES), default="tiny")
    parser.add_argument("--steps", default="5,10,20", help="numbers of reverse steps, separated by commas")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    network = new_predictor(args.size, args.patch, 0).to(device()).eval()
    rng = torch.Generator().manual_seed(0)
    image = 2 * torch.rand(3, args.side, args.side, generator=rng) - 1
    noise = torch.randn(image.shape, generator=rng)

    def predictor(x: Tensor, steps: Tensor) -> Tensor:
        found: Tensor = network(x.to(device()), steps).cpu()
        return found

    where = tiles.corners((args.side, args.side), args.patch)
    one_tile = torch.zeros(1, 3, args.patch, args.patch, device=device())
    with torch.inference_mode():
        once = seconds(lambda: single_step(predictor, image, noise, args.patch), args.repeat)
        ratios = {}
        for steps in map(int, args.steps.split(",")):
            taken = seconds(lambda: reconstruction(predictor, image, noise, args.patch, steps), args.repeat)  # noqa: B023
            ratios[steps] = {"seconds": taken, "ratio": round(taken / once, 2), "wanted": steps / 2}
    result = {
        "tiles": len(where),
        "single_step_seconds": once,
        "reconstruction": ratios,
        "giga_multiplications": multiplications(network, one_tile, torch.zeros(1, dtype=torch.long)) * len(where) / 1e9,
        "device": str(device()),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
