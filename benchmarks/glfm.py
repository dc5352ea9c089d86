"""What does GLFM cost a cloud, and does adapting its network help?

python benchmarks/glfm.py                     scoring of a cloud of 20,000 points, the small network and 1024 groups
python benchmarks/glfm.py --run outputs/RUN   image AUROC on a run with the adapted network and with the one it began as

Time of the processor, best of the repeats; run with OMP_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from eval import detectors
from eval.benchmark.data import categories
from eval.metrics import auroc
from synth.sample import Cloud, Sample


def scene(points: int, seed: int) -> Sample:
    """A bent sheet of 0.1 m as an unorganised cloud."""
    rng = np.random.default_rng(seed)
    flat = rng.uniform(-0.05, 0.05, (points, 2))
    depth = 0.4 + 0.006 * np.sin(40 * flat[:, :1]) * np.cos(30 * flat[:, 1:]) + rng.normal(0, 1e-5, (points, 1))
    cloud = Cloud(np.concatenate([flat, depth], 1).astype(np.float32))
    return Sample(f"sheet-{seed}", cloud=cloud, product="sheet")


def scoring(points: int, groups: int, size: int, learnt: int, repeats: int) -> dict[str, float]:
    """Seconds to score one cloud against a memory of `learnt` clouds, with features."""
    detector = detectors.create("glfm", groups=groups, size=size, steps=0)
    detector.fit([scene(points, seed) for seed in range(learnt)])
    seconds, shown = [], scene(points, 99)
    for _ in range(repeats):
        began = time.process_time()
        detector.predict([shown])
        seconds.append(time.process_time() - began)
    return {"points": points, "groups": groups, "seconds": min(seconds), "bank_mb": detector.nbytes / 1e6}


def adapted(run: Path, steps: int) -> list[dict[str, object]]:
    """AUROC by product with and without adaptation."""
    found: list[dict[str, object]] = []
    for category in categories(run, "synthetic"):
        defective = np.array([one.defect is not None for one in category.test])
        for taken in (0, steps):
            detector = detectors.create("glfm", steps=taken)
            began = time.perf_counter()
            score = detector.fit(category.good).predict(category.test).score
            spent = time.perf_counter() - began
            found.append({"data": category.name, "steps": taken, "image_auroc": auroc(score, defective), "s": spent})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--groups", type=int, default=1024)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--learnt", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--run", type=Path, help="a finished run of clouds or RGB-D scans")
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    if args.run is None:
        print(json.dumps(scoring(args.points, args.groups, args.size, args.learnt, args.repeats), indent=1))
        return
    for one in adapted(args.run, args.steps):
        print(json.dumps(one), flush=True)


if __name__ == "__main__":
    main()
