"""A split file with few shots of each type, evenly taken from another's, for the case of a user with ten bad parts.
A recipe's source.shots draws them at random instead.

python benchmarks/few_shots.py dev_split.json few_split.json --shots 4 --test-of DATASET/split.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def thin_out(shots: dict[str, list[str]], number: int) -> dict[str, list[str]]:
    """`number` shots of each defect type, evenly spaced in its list; all good images stay."""
    return {
        kind: names if kind == "good" else [names[i * len(names) // number] for i in range(min(number, len(names)))]
        for kind, names in shots.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path, help="the split file whose shots are thinned out")
    parser.add_argument("to", type=Path)
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--test-of", type=Path, help="the split file whose test part is taken, unless the same")
    args = parser.parse_args()
    shots = thin_out(json.loads(args.split.read_text())["shots"], args.shots)
    made = {"shots": shots, "test": json.loads((args.test_of or args.split).read_text())["test"]}
    args.to.write_text(json.dumps(made, indent=1))
    for part, kinds in made.items():
        print(part, {kind: len(names) for kind, names in kinds.items()})


if __name__ == "__main__":
    main()
