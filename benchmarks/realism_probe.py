"""Which defects would a sensor expert take for real? A small classifier separates drawn patches from a scan's own.

    python benchmarks/realism_probe.py SCANS [--each 8]

For each generator, patches around its defects against the same places of the untouched scans, by the spectrum of the
height, its slopes, colour steps between neighbours and lost returns; logistic regression, tested on scans it did not
see. AUROC with a 95 % interval over scans: 0.5 means that the two look alike, so lower is better. The scans hold
no real defects: what is judged is whether a defect keeps the sensor's noise and the surface's statistics, not whether
it is the right defect. Expected: ours below `das3d_like`. Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from synth.dual import DualSynthesizer, presets
from synth.errors import GeneratorError
from synth.sample import Sample
from synth.sources import read

Draw = Callable[[Sample, int], Sample]

HALF = 16
BANDS = 8
OURS = ("dent", "bulge", "pits", "crack", "scratch", "chip", "deposit", "stain")
THEIRS = ("das3d_like", "3dsr", "easynet", "draem")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans")
    parser.add_argument("--each", type=int, default=12, help="defects a scan and generator")
    args = parser.parse_args()
    scans = [sample for sample in read(args.scans) if sample.xyz is not None and sample.defect is None]
    score = {}
    for name, draw in {"ours": ours, **{one: published(one) for one in THEIRS}}.items():
        both = [around_defects(draw, scan, args.each) for scan in scans]
        real, drawn = [scan for scan, _ in both], [made for _, made in both]
        score[name] = probe(real, drawn)
        low, high = interval(real, drawn)
        print(f"{name:12} AUROC {score[name]:.3f} [{low:.3f}, {high:.3f}] over {sum(map(len, drawn))} patches")
    sys.exit(score["ours"] >= score["das3d_like"])


def ours(scan: Sample, seed: int) -> Sample:
    return DualSynthesizer(OURS[seed % len(OURS)]).draw(scan, seed)


def published(name: str) -> Draw:
    return presets.create(name).draw


def around_defects(draw: Draw, scan: Sample, count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Features of the patch around each drawn defect, before and after; a defect that finds no place is left out."""
    before, after = [], []
    for seed in range(count):
        try:
            made = draw(scan, seed)
        except GeneratorError:
            continue
        row, column = middle(made, seed)
        before.append(features(scan, row, column))
        after.append(features(made, row, column))
    return before, after


def middle(made: Sample, seed: int) -> tuple[int, int]:
    """The upper left pixel of a patch whose middle is defect, somewhere in its mask."""
    assert made.mask is not None
    inner = made.mask[HALF:-HALF, HALF:-HALF]
    places = np.argwhere(inner if inner.any() else np.ones_like(inner))
    row, column = places[np.random.default_rng(seed).integers(len(places))]
    return int(row), int(column)


def features(sample: Sample, row: int, column: int) -> np.ndarray:
    """Log-spectrum of the height in BANDS rings, log-quantiles of its slopes and of colour steps, share of lost pixels;
    of the 2 HALF square whose upper left pixel is (row, column)."""
    assert sample.xyz is not None
    assert sample.image is not None
    cut = (slice(row, row + 2 * HALF), slice(column, column + 2 * HALF))
    depth, colour = sample.xyz[cut][..., 2].astype(float), sample.image[cut].astype(float)
    lost = depth == 0
    nearest = ndimage.distance_transform_edt(lost, return_distances=False, return_indices=True)
    height = 1e3 * _without_plane(depth[tuple(nearest)])
    power = np.abs(np.fft.fft2(height * np.hanning(2 * HALF)[:, None] * np.hanning(2 * HALF))) ** 2
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(2 * HALF)] * 2, indexing="ij"))
    ring = np.minimum((frequency / 0.5 * BANDS).astype(int), BANDS - 1)
    spectrum = np.log(np.bincount(ring.ravel(), power.ravel(), BANDS) / np.bincount(ring.ravel()) + 1e-6)
    slopes = np.quantile(np.hypot(*np.gradient(height)), (0.5, 0.9, 0.99))
    steps = np.quantile(np.abs(np.diff(colour, axis=0)).max(axis=-1), (0.5, 0.9, 0.99))
    return np.concatenate([spectrum, np.log(slopes + 1e-3), np.log(steps + 0.5), [lost.mean()]])


def _without_plane(depth: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]]
    design = np.stack([rows.ravel(), columns.ravel(), np.ones(depth.size)], axis=1)
    fit = np.linalg.lstsq(design, depth.ravel(), rcond=None)[0]
    return depth - (design @ fit).reshape(depth.shape)


def probe(real: list[list[np.ndarray]], drawn: list[list[np.ndarray]]) -> float:
    """AUROC of separating drawn from real, every scan judged by a classifier that did not see it."""
    vectors = np.array([v for scans in (real, drawn) for scan in scans for v in scan])
    groups = np.array([k for scans in (real, drawn) for k, scan in enumerate(scans) for _ in scan])
    labels = np.repeat([0, 1], [sum(map(len, real)), sum(map(len, drawn))])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000, class_weight="balanced"))
    folds = GroupKFold(min(5, len(np.unique(groups))))
    scored = cross_val_predict(model, vectors, labels, groups=groups, cv=folds, method="decision_function")
    return float(roc_auc_score(labels, scored))


def interval(real: list[list[np.ndarray]], drawn: list[list[np.ndarray]], repeats: int = 40) -> tuple[float, float]:
    """95 % interval by drawing scans with replacement; copies of a scan share its fold by being one scan."""
    rng = np.random.default_rng(0)
    values = []
    for _ in range(repeats):
        chosen, times = np.unique(rng.integers(len(real), size=len(real)), return_counts=True)
        values.append(probe(*([scans[k] * n for k, n in zip(chosen, times, strict=True)] for scans in (real, drawn))))
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
