"""Trains das3d_style at paper size and vote3deep for a few hundred steps; says how fast, and in how much memory.

python benchmarks/detectors_gpu.py                                     on a GPU, some 5 minutes
python benchmarks/detectors_gpu.py --size tiny --steps 4 --side 64     a trial on a CPU

Scans of the built-in flange; das3d_style draws its own defects, vote3deep learns from those of our types.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable

import torch

from eval import detectors
from eval.detectors.cost import device
from eval.detectors.das3d_style.drawing import PHYSICAL
from synth.dual.synthesizer import DualSynthesizer
from synth.sample import Sample
from synth.sources import read_source
from synth.sources.config import ProceduralSource
from synth.sources.listing import reopen


def scans(side: int, count: int) -> list[Sample]:
    source = ProceduralSource(
        kind="procedural", products=["flange"], good_images=count, shots_per_defect=0, test_per_defect=0, size=side
    )
    return [reopen(sample) for sample in read_source(source) if sample.defect is None][:count]


def defects(good: list[Sample]) -> list[Sample]:
    """One of each of our types that fit anywhere, on scans in turn."""
    return [DualSynthesizer(kind).draw(good[number % len(good)], seed=number) for number, kind in enumerate(PHYSICAL)]


def measured(train: Callable[[], object], steps: int) -> dict[str, float]:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    train()
    taken = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "steps_a_second": steps / taken,
        "seconds": taken,
        "process_gb": peak / 1e9,
        "gpu_gb": torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="paper", choices=["tiny", "paper"])
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--scans", type=int, default=12)
    args = parser.parse_args()
    good = scans(args.side, args.scans)
    das3d = detectors.create("das3d_style", size=args.size, side=args.side, steps=args.steps, batch=args.batch)
    vote3deep = detectors.create("vote3deep", steps=args.steps)
    found = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else str(device()),
        "das3d_style": measured(lambda: das3d.fit(good), args.steps),
        "vote3deep": measured(lambda: vote3deep.fit(good, defects(good)), args.steps),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
