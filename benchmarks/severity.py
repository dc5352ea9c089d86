"""Does a defect that is asked to be more severe look more severe to a frozen network?

Each placement is pasted at several severities, everything else the same; the response is what the features of a fixed
network differ by from those of the good image before, summed over the window, so that depth and size both count.
Spearman's correlation between severity asked and response by type: within placements (mean of each one's own), and
across all of them, where the shots differ among themselves too.
Command: python benchmarks/severity.py --features squeezenet1_1_fp16.onnx [--data FOLDER_WITH_SPLIT ...]
    [--products screw flange] [--count 12]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.stats import spearmanr

from eval.features import FeatureNetwork, create
from synth.placing.paste import paste
from synth.placing.surroundings import Surroundings
from synth.placing.variation import draw_variation
from synth.sample import Sample
from synth.sources import read
from synth.sources.listing import reopen
from synth.sources.procedural import read_procedural

SEVERITIES = np.geomspace(0.3, 2.0, 6)
SIDE = 224


def window(image: np.ndarray, row: float, column: float, extent: float) -> np.ndarray:
    """The surroundings of a place, twice the extent wide and 224 px at the least, as (224, 224, 3) uint8."""
    half = round(max(extent, SIDE / 2))
    padded = cv2.copyMakeBorder(image, half, half, half, half, cv2.BORDER_REFLECT)
    top, left = (int(np.clip(round(at), 0, n - 1)) for at, n in zip((row, column), image.shape, strict=False))
    return cv2.resize(padded[top : top + 2 * half, left : left + 2 * half], (SIDE, SIDE), interpolation=cv2.INTER_AREA)


@torch.no_grad()
def response(network: FeatureNetwork, windows: Sequence[np.ndarray]) -> np.ndarray:
    """Of windows of which the first one is the good image: what each of the others differs from it by."""
    pixels = torch.from_numpy(np.stack(windows)).permute(0, 3, 1, 2).float() / 255
    total = np.zeros(len(windows) - 1)
    for features in network.maps(pixels).levels[:2]:
        total += (features[1:] - features[:1]).norm(dim=1).mean((1, 2)).numpy()
    return total


def by_type(known: Surroundings, defect: str, count: int, network: FeatureNetwork) -> tuple[float, float, int]:
    """(mean Spearman within placements, Spearman across, placements) of one type."""
    asked, found, within = [], [], []
    for number in range(count):
        responses, reached = [], []
        for severity in SEVERITIES:
            varied = draw_variation(np.random.default_rng((number, 1)), (severity, severity))
            placed = known.place(defect, np.random.default_rng((number, 0)), turn_of=number, variation=varied)
            if placed is None:
                continue
            good = placed.good.image
            assert good is not None
            image, _ = paste(good, placed.crop, placed.pose, variation=varied)
            pair = [window(one, placed.pose.row, placed.pose.column, placed.crop.extent) for one in (good, image)]
            responses.append(float(response(network, pair)[0]))
            reached.append(float(severity))
        if len(reached) > 2:
            within.append(float(spearmanr(reached, responses).statistic))
            asked += reached
            found += responses
    return float(np.mean(within)), float(spearmanr(asked, found).statistic), len(within)


def report(name: str, samples: Sequence[Sample], count: int, network: FeatureNetwork) -> None:
    """One line a type."""
    shots, good_images = ([s for s in samples if (s.defect is None) == good] for good in (False, True))
    known = Surroundings(shots, good_images)
    for defect in sorted({str(shot.defect) for shot in shots}):
        within, across, number = by_type(known, defect, count, network)
        print(f"{name} {defect}: Spearman {within:.2f} within placements, {across:.2f} across {number}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", default="tiny_base", help="as `flawsmith eval quality` names them")
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="folders with split.json; the training sides")
    parser.add_argument("--products", nargs="*", default=[])
    parser.add_argument("--count", type=int, default=12)
    args = parser.parse_args()
    network = create(args.features)
    for folder in args.data:
        train = [reopen(s) for s in read(folder, split="split.json") if s.split == "train"]
        with_masks = [replace(s) for s in train if s.defect is None or (s.mask is not None and s.mask.any())]
        report(folder.name, with_masks, args.count, network)
    for product in args.products:
        rendered = read_procedural([product], good_images=24, test_per_defect=0, test_good_images=0, size=256)
        report(product, list(rendered), args.count, network)


if __name__ == "__main__":
    main()
