"""How well do the places of some shots foretell those of others: by their surroundings, by where they lie, or by both?

The shots of a type are halved several times; from one half, the density of places on each image of the other half is
made: even (on the part); `context`, the places whose surroundings fit those of one of the shots; `spread`, a Gaussian
around each shot's place, relative to the part's box; and their product. Higher is better: the mean of log2(density at
the true place / even density), bits, a twentieth of each density being even. Training sides only.
Command: python benchmarks/places.py [--data FOLDER_WITH_SPLIT ...] [--products screw flange] [--shots 4 8]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from synth.parts import part_of
from synth.placing.matcher import image_of
from synth.placing.places import Spread, measure_spread
from synth.placing.surroundings import Surroundings
from synth.sample import Sample
from synth.sources import read
from synth.sources.listing import reopen
from synth.sources.procedural import read_procedural

_EVEN = 0.05
_HALVES = 2


def densities(known: Surroundings, defect: str, kept: Sample, spread: Spread) -> dict[str, np.ndarray]:
    """Each candidate's density over the cells of an image, which sum to 1."""
    context = sum(
        ndimage.gaussian_filter(fits / max(fits.sum(), 1), 1.5, mode="nearest")
        for shot in known.crops(defect)
        for fits in [known.fits(shot, kept).sum(axis=0).astype(float)]
    )
    shape = image_of(kept).shape
    size = context.shape
    part = np.ones(size) if (region := part_of(kept)) is None else _on(region, size)
    near = spread.weight(region, shape, size) * part
    even = part / part.sum()
    near = near / near.max()
    found = {
        "context": context,
        "spread": near,
        "both": context * near,
        "either": context / max(context.sum(), 1e-9) + near / near.sum(),
    }
    return {
        "even": even,
        **{k: (1 - _EVEN) * (v / v.sum() if v.sum() > 0 else even) + _EVEN * even for k, v in found.items()},
    }


def _on(region: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, columns = (((np.arange(n) + 0.5) * full / n).astype(int) for n, full in zip(size, region.shape, strict=True))
    return ndimage.binary_dilation(region[rows][:, columns], iterations=2).astype(float) + 1e-6


def report(name: str, samples: Sequence[Sample], counts: Sequence[int]) -> None:
    """One line a type and number of shots learnt from."""
    shots, good_images = ([s for s in samples if (s.defect is None) == good] for good in (False, True))
    for defect in sorted({str(shot.defect) for shot in shots}):
        own = [shot for shot in shots if shot.defect == defect]
        for count in [n for n in counts if len(own) >= n + 3]:
            bits: dict[str, list[float]] = {}
            for half in range(_HALVES):
                order = np.random.default_rng(half).permutation(len(own))
                learnt, kept = [own[i] for i in order[:count]], [own[i] for i in order[count : count + 6]]
                known, spread = Surroundings(learnt, good_images), measure_spread(learnt)
                for shot in kept:
                    found = densities(known, defect, shot, spread)
                    assert shot.mask is not None
                    rows, columns = np.nonzero(shot.mask)
                    middle = ((rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2)
                    sizes = zip(middle, found["even"].shape, shot.mask.shape, strict=True)
                    cell = tuple(min(n - 1, int((at + 0.5) * n / full)) for at, n, full in sizes)
                    for candidate, density in found.items():
                        bits.setdefault(candidate, []).append(float(np.log2(density[cell] / found["even"][cell])))
            line = ", ".join(f"{k} {np.mean(v):.2f}" for k, v in bits.items() if k != "even")
            print(f"{name} {defect}, {count} shots: {line} bits over {len(bits['even'])}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--products", nargs="*", default=[])
    parser.add_argument("--shots", type=int, nargs="+", default=[4, 12])
    args = parser.parse_args()
    for folder in args.data:
        train = [reopen(s) for s in read(folder, split="split.json") if s.split == "train"]
        marked = [s for s in train if s.defect is not None and s.mask is not None and s.mask.any()]
        good_images = [s for s in train if s.defect is None]
        report(folder.name, [*marked, *good_images[:: max(1, len(good_images) // 24)]], args.shots)
    for product in args.products:
        report(product, list(read_procedural([product], 24, 12, 0, 0, size=256)), args.shots)


if __name__ == "__main__":
    main()
