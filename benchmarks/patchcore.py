"""How many images a second PatchCore judges after fitting, with EfficientNet-Lite0 at 224 px: at least 10 on two cores.

python benchmarks/patchcore.py [--images 100]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from eval import detectors
from synth.sample import Sample

WANTED = 10.0


def part(number: int) -> Sample:
    """A grey part of 600 x 600 px with a texture of its own."""
    rng = np.random.default_rng(number)
    coarse = rng.normal(128, 30, (75, 75)).repeat(8, 0).repeat(8, 1)
    image = np.clip(coarse + rng.normal(0, 5, coarse.shape), 0, 255).astype(np.uint8)
    return Sample(f"part-{number}", np.repeat(image[..., None], 3, 2), product="part")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    args = parser.parse_args()
    detector = detectors.create("patchcore", features="efficientnet_lite0", side=224)
    began = time.perf_counter()
    detector.fit([part(number) for number in range(args.images)])
    fitted = time.perf_counter()
    shown = [part(1000 + number) for number in range(args.images)]
    opened = time.perf_counter()
    detector.predict(shown)
    rate = args.images / (time.perf_counter() - opened)
    print(f"fitted on {args.images} images in {fitted - began:.1f} s; {rate:.1f} images a second, wanted {WANTED:.0f}")
    if rate < WANTED:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
