"""How much faster is mutual scoring by symmetric blocks than image after image against all others, do both agree, and
how much memory does each take?

OMP_NUM_THREADS=1 python benchmarks/musc.py            24 images of 784 tokens of 384 channels
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import timeit
from collections.abc import Callable

import torch
from torch import Tensor

from eval.detectors.musc.mutual import compared, interval_mean, mutual_distances


def scene(images: int, tokens: int, channels: int) -> Tensor:
    """Unit tokens (N, L, C): 40 prototypes and noise."""
    rng = torch.Generator().manual_seed(0)
    prototypes = torch.randn(40, channels, generator=rng)
    noise = 0.3 * torch.randn(images, tokens, channels, generator=rng)
    return torch.nn.functional.normalize(prototypes[torch.randint(40, (tokens,), generator=rng)] + noise, dim=2)


def by_blocks(tokens: Tensor) -> Tensor:
    count = compared(len(tokens) - 1)
    return torch.stack(
        [interval_mean(one, count) for one in mutual_distances(tokens.flatten(0, 1), [tokens.shape[1]] * len(tokens))]
    )


def by_rows(tokens: Tensor) -> Tensor:
    """The usual form: the L x (N - 1) L distances of each image to all others at once."""
    images, patches, _ = tokens.shape
    count, scores = compared(images - 1), []
    for number in range(images):
        others = torch.cat([tokens[:number], tokens[number + 1 :]]).flatten(0, 1)
        nearest = torch.cdist(tokens[number], others).view(patches, images - 1, patches).amin(2)
        scores.append(interval_mean(nearest, count))
    return torch.stack(scores)


def longhand(tokens: Tensor, number: int) -> Tensor:
    """Scores of one image in float64."""
    others = [other for position, other in enumerate(tokens.double()) if position != number]
    nearest = [torch.cdist(tokens[number].double(), other).amin(1) for other in others]
    return interval_mean(torch.stack(nearest, 1), compared(len(others))).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=784)
    parser.add_argument("--channels", type=int, default=384)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    tokens = scene(args.images, args.tokens, args.channels)
    rivals = {"blocks": by_blocks, "rows": by_rows}
    scores: dict[str, Tensor] = {}
    seconds, peak = {}, {}
    for name, rival in rivals.items():

        def call(name: str = name, rival: Callable[[Tensor], Tensor] = rival) -> None:
            scores[name] = rival(tokens)

        # Time of the processor, so that a busy machine does not count.
        seconds[name] = min(timeit.repeat(call, timer=time.process_time, number=1, repeat=args.repeat))
        peak[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    exact = longhand(tokens, 1)
    result = {
        "seconds": seconds,
        "times_faster": round(seconds["rows"] / seconds["blocks"], 2),
        "largest_difference": float((scores["blocks"] - scores["rows"]).abs().max()),
        "difference_from_float64": {name: float((value[1] - exact).abs().max()) for name, value in scores.items()},
        "threads": torch.get_num_threads(),
        "peak_mb_so_far": peak,
        "kept_mb": round(args.images**2 * args.tokens * 4 / 2**20, 1),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
