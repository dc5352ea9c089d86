"""The study of docs/results.md as a file: does it help on three data sets, with few shots and with more?

python benchmarks/helps.py DATA helps.yaml && flawsmith eval study helps.yaml [--dry-run]

DATA holds the folders magnetic_tile, tire and kolektor, each with a split.json. Cracks of KolektorSDD vanish in whole
images of 128 px, so they are learnt and looked for in tiles.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

SHOTS = {"magnetic_tile": [4], "tire": [4, 9], "kolektor": [5, 15]}
SETTINGS = {"kolektor": ["tile=256"]}


def plan(data: Path, draws: int, seeds: int, generator: str) -> dict[str, object]:
    """The study file's content; generator: overrides of ours, separated by spaces."""
    sets = [
        {
            "recipe": "copy_paste",
            "name": name,
            "overrides": [f"source.root={data / name}", "source.split=split.json", *generator.split()],
            "shots": shots,
            "settings": SETTINGS.get(name, []),
        }
        for name, shots in SHOTS.items()
    ]
    return {
        "name": "helps",
        "sets": sets,
        "draws": draws,
        "seeds": seeds,
        "segmenters": ["lfd", "lite_unet"],
        "settings": ["resolution=128", "steps=200", "validate_every=50"],
        "training_sets": ["copy_paste", "ours_real"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--generator", default="generator.freedom=0", help="overrides, separated by spaces")
    args = parser.parse_args()
    content = plan(args.data.resolve(), args.draws, args.seeds, args.generator)
    args.file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
