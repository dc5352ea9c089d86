"""Intervals of means over test images, alone and paired, with seed variance counted in.

Images are resampled with replacement within their stratum (a defect type), so each stratum keeps its size and its
weight. A percentile interval of n values is too narrow for small n; each stratum's deviations are widened by
sqrt(n / (n - 1)) t_{n-1} / z (the expanded percentile interval, Hesterberg 2015, "What teachers should know about the
bootstrap", 4.4). Three trainings are too few to resample: their spread enters as a t-distributed term, with the degrees
of freedom of Welch (1947) where two training sets are compared. What differs by image and training at once counts in
both parts, so where trainings agree the interval errs on the wide side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy import stats

from synth.errors import EvalError

REPEATS = 4000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where it lies with confidence `level`; `images` counts what it was measured on."""

    value: float
    low: float
    high: float
    level: float
    images: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @property
    def evidence(self) -> str:
        """What an interval of a gain says: "helps", "hurts", or "no evidence" where it holds 0."""
        return "helps" if self.low > 0 else "hurts" if self.high < 0 else "no evidence"

    def within(self, least: float, most: float) -> Interval:
        """The same, its ends no further out than the figure itself can lie."""
        return replace(self, low=max(self.low, least), high=min(self.high, most))

    def to_json(self) -> dict[str, float | int]:
        return asdict(self)


def bootstrap(
    values: np.ndarray, strata: Sequence[str] | None = None, level: float = 0.95, seed: int = 0, repeats: int = REPEATS
) -> Interval:
    """The mean over strata of the mean value in each, with its interval. values (N,) one an image, or (S, N) of S
    trainings, whose seed variance then counts too; strata: N names, all one by default. EvalError for fewer than two
    images in a stratum."""
    table = np.atleast_2d(np.asarray(values, float))
    groups = _groups(table.shape[1], strata)
    rng = np.random.default_rng(seed)
    deviations = _image_deviations(table.mean(0), groups, level, repeats, rng)
    if len(table) > 1:
        deviations += _seed_variance([_means(table, groups)], repeats, rng)
    return _interval(float(_means(table, groups).mean()), deviations, level, table.shape[1])


def paired_gain(
    ours: np.ndarray,
    base: np.ndarray,
    strata: Sequence[str] | None = None,
    level: float = 0.95,
    seed: int = 0,
    repeats: int = REPEATS,
) -> Interval:
    """How much higher `ours` (S, N) lies than `base` (T, N): S and T trainings measured on the same N images, images
    resampled in pairs. EvalError for other images, fewer than two trainings a training set or two images a stratum."""
    ours, base = np.asarray(ours, float), np.asarray(base, float)
    if ours.ndim != 2 or base.ndim != 2 or ours.shape[1] != base.shape[1]:
        raise EvalError(
            f"training sets are {ours.shape} and {base.shape}, wanted (trainings, images) on the same images"
        )
    if min(len(ours), len(base)) < 2:
        raise EvalError(
            f"training sets have {len(ours)} and {len(base)} trainings; seed variance needs 2 or more of each"
        )
    groups = _groups(ours.shape[1], strata)
    rng = np.random.default_rng(seed)
    deviations = _image_deviations(ours.mean(0) - base.mean(0), groups, level, repeats, rng)
    means = [_means(ours, groups), _means(base, groups)]
    return _interval(
        float(means[0].mean() - means[1].mean()),
        deviations + _seed_variance(means, repeats, rng),
        level,
        ours.shape[1],
    )


def _groups(images: int, strata: Sequence[str] | None) -> list[np.ndarray]:
    """The indices of each stratum's images."""
    names = np.asarray(["all"] * images if strata is None else list(strata))
    if len(names) != images:
        raise EvalError(f"there are {images} images and {len(names)} strata; name one stratum an image")
    groups = [np.flatnonzero(names == name) for name in np.unique(names)]
    for group in groups:
        if group.size < 2:
            raise EvalError(f"{names[group[0]]} has 1 image; an interval needs at least 2")
    if not groups:
        raise EvalError("there are no images to measure on")
    return groups


def _means(table: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over strata of the mean in each, for every training: (S,)."""
    return np.mean([table[:, group].mean(1) for group in groups], axis=0)


def _image_deviations(
    values: np.ndarray, groups: Sequence[np.ndarray], level: float, repeats: int, rng: np.random.Generator
) -> np.ndarray:
    """How far the stratified mean of resampled images lies from that of the images themselves; (repeats,)."""
    total = np.zeros(repeats)
    for group in groups:
        own = values[group]
        drawn = own[rng.integers(own.size, size=(repeats, own.size))].mean(1) - own.mean()
        total += drawn * _widening(own.size, level) / len(groups)
    return total


def _widening(n: int, level: float) -> float:
    tail = (1 + level) / 2
    return float(np.sqrt(n / (n - 1)) * stats.t.ppf(tail, n - 1) / stats.norm.ppf(tail))


def _seed_variance(training_sets: Sequence[np.ndarray], repeats: int, rng: np.random.Generator) -> np.ndarray:
    """The error of the training sets' means (S,) that comes from having trained S times only; (repeats,)."""
    variances = np.array([training_set.var(ddof=1) / training_set.size for training_set in training_sets])
    if not variances.any():
        return np.zeros(repeats)
    freedom = variances.sum() ** 2 / sum(
        v**2 / (training_set.size - 1) for v, training_set in zip(variances, training_sets, strict=True)
    )
    return np.sqrt(variances.sum()) * rng.standard_t(freedom, repeats)


def _interval(value: float, deviations: np.ndarray, level: float, images: int) -> Interval:
    low, high = np.quantile(deviations, [(1 - level) / 2, (1 + level) / 2])
    # An interval reaches as far down as the mean may lie too high.
    return Interval(value, value - float(high), value - float(low), level, images)
