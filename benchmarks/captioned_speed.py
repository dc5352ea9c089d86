"""How many captioned images a second does one core make? Data must not limit training (24 images/s on two cores).

Command: OMP_NUM_THREADS=1 python benchmarks/captioned_speed.py [--side 128] [--count 300]
Process CPU time, so that other work on the machine does not count; the least of three repeats.
"""

from __future__ import annotations

import argparse
import json
import time

from synth.seas.pretraining.captioned import make_captioned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--count", type=int, default=300)
    args = parser.parse_args()
    make_captioned(0, args.side)
    rate = max(images_per_second(args.side, args.count) for _ in range(3))
    print(json.dumps({"side": args.side, "images_per_second_and_core": round(rate)}))


def images_per_second(side: int, count: int) -> float:
    started = time.process_time()
    for index in range(count):
        make_captioned(index, side)
    return count / (time.process_time() - started)


if __name__ == "__main__":
    main()
