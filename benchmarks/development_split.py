"""A split file for development: a part of the shots plays the test, and the real test files are named nowhere.

python benchmarks/development_split.py DATASET/split.json dev_split.json
flawsmith run magnetic_tile --set source.root=DATASET --set source.split=$PWD/dev_split.json --out outputs/tile_dev
flawsmith eval verdict outputs/tile_dev
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def cut(shots: dict[str, list[str]], every: int) -> dict[str, dict[str, list[str]]]:
    """The last one in so many shots of each type, and good images, become test images; the others stay what they are.

    Neighbours in a list are often takes of one part, so the cut is made once and not between all of them."""
    kept = {kind: len(names) - len(names) // every for kind, names in shots.items()}
    return {
        "shots": {kind: names[: kept[kind]] for kind, names in shots.items()},
        "test": {kind: names[kept[kind] :] for kind, names in shots.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path)
    parser.add_argument("to", type=Path)
    parser.add_argument("--every", type=int, default=3, help="one shot in so many is kept back")
    args = parser.parse_args()
    made = cut(json.loads(args.split.read_text())["shots"], args.every)
    args.to.write_text(json.dumps(made, indent=1))
    for part, kinds in made.items():
        print(part, {kind: len(names) for kind, names in kinds.items()})


if __name__ == "__main__":
    main()
