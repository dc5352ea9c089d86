"""Do drawings of a mix move from one defect type to the other with its weight?

The same requests (good image, place, outline, noise) are drawn at several weights; the features of a fixed network over
the drawn windows are averaged, and projected on the line from the first type (0) to the second (1).
Command: python benchmarks/mixing.py FOLDER_WITH_SPLIT FIRST SECOND [--features tiny_base] [--count 12] [--updates 60]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from scipy.stats import spearmanr

from eval.features import FeatureNetwork, create
from synth.generators import Request
from synth.sample import Sample
from synth.seas.config import SeasConfig
from synth.seas.generator import SeasGenerator
from synth.seas.window import Window, cut
from synth.sources import read
from synth.sources.listing import reopen

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
NEARLY = 1e-6
SIDE = 224
MIX = "mix"


@torch.no_grad()
def features(network: FeatureNetwork, samples: Sequence[Sample]) -> np.ndarray:
    """What the network sees in the window of each sample more than in the good image's, (n, C)."""
    windows = []
    for sample in samples:
        made = sample.provenance
        assert sample.image is not None
        assert made is not None
        assert made.window is not None
        assert made.start is not None
        assert made.start.image is not None
        windows.append([cut(image, Window(*made.window), SIDE) for image in (sample.image, made.start.image)])
    pixels = torch.from_numpy(np.array(windows)).permute(1, 0, 4, 2, 3).float() / 255
    drawn, good = (torch.cat([m.mean((2, 3)) for m in network.maps(part).levels[:2]], dim=1) for part in pixels)
    return np.asarray((drawn - good).numpy())


def config(weight: float, types: Sequence[str], updates: int) -> SeasConfig:
    """Free drawing of a mix with this weight of the second type."""
    second = min(max(weight, NEARLY), 1 - NEARLY)
    return SeasConfig(freedom=1, updates_per_defect=updates, mixes={MIX: {types[0]: 1 - second, types[1]: second}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("types", nargs=2)
    parser.add_argument("--features", default="tiny_base", help="as `flawsmith eval quality` names them")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--updates", type=int, default=60)
    args = parser.parse_args()
    train = [reopen(s) for s in read(args.folder, split="split.json") if s.split == "train"]
    shots = [s for s in train if s.defect in args.types and s.mask is not None and s.mask.any()]
    good_images = [s for s in train if s.defect is None]
    requests = [Request(str(shots[0].product), MIX, index) for index in range(args.count)]
    network, found = create(args.features), []
    with TemporaryDirectory() as folder:
        for weight in WEIGHTS:
            generator = SeasGenerator(config(weight, args.types, args.updates), Path(folder), 0)
            generator.fit(shots, good_images)
            found.append(features(network, generator.draw(requests)))
    axis = found[-1].mean(0) - found[0].mean(0)
    places = [(own - found[0].mean(0)) @ axis / (axis @ axis) for own in found]
    for weight, own in zip(WEIGHTS, places, strict=True):
        print(f"{args.types[1]} {weight:.2f}: {own.mean():.2f} of the way, +- {own.std() / len(own) ** 0.5:.2f}")
    asked = np.repeat(WEIGHTS, args.count)
    print(f"Spearman over all drawings {spearmanr(asked, np.concatenate(places)).statistic:.2f}")


if __name__ == "__main__":
    main()
