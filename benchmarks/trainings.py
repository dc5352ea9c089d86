"""Steps a second of segmenters trained one after the other on all cores against side by side, a thread each.

python benchmarks/trainings.py --segmenter lfd --steps 100
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from eval.segmenters import configure
from eval.segmenters.pretrain import captioned
from eval.study.trainings import Training, most_workers, run_all
from synth.pipeline.preparation import silent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segmenter", default="lfd")
    parser.add_argument("--steps", type=int, default=100)
    args = parser.parse_args()
    config = configure(args.segmenter, steps=args.steps, validate_every=args.steps)
    samples = [captioned(config.resolution, index) for index in range(80)]
    judged = [sample for sample in samples if sample.defect][:4]
    workers = most_workers()
    rates = {}
    for at_once in (1, workers, 1, workers):  # twice, since the first of each also pays for imports
        with tempfile.TemporaryDirectory() as folder:
            trainings = [
                Training(args.segmenter, config, samples, judged, Path(folder) / str(n)) for n in range(2 * workers)
            ]
            before = time.perf_counter()
            run_all(trainings, at_once, silent)
            rates[at_once] = len(trainings) * args.steps / (time.perf_counter() - before)
    for at_once, rate in sorted(rates.items()):
        print(f"{args.segmenter}, {at_once} at once: {rate:.1f} steps/s")
    print(f"ratio {rates[workers] / rates[1]:.2f}")


if __name__ == "__main__":
    main()
