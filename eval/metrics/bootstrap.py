"""Intervals of means over test images, alone and paired, with seed variance counted in.

Images are resampled with replacement within their stratum (a defect type), so each stratum keeps its size and its
weight. A percentile interval of n values is too narrow for small n; each stratum's deviations are widened by
sqrt(n / (n - 1)) t_{n-1} / z (the expanded percentile interval, Hesterberg 2015, "What teachers should know about the
bootstrap", 4.4). Three trainings are too few to resample: their spread enters as a t-distributed term, with the degrees
of freedom of Welch (1947) where two training sets are compared. What differs by image and training at once counts in
both parts, so where trainings agree the interval errs on the wide side. `pooled_gain` does the same over several draws
of the shots and several data sets.
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
        means = _means(table, groups)
        deviations += _t_term([(float(means.var(ddof=1)) / means.size, means.size - 1)], repeats, rng)
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
    names = ["all"] * ours.shape[1] if strata is None else list(strata)
    return pooled_gain([Paired(ours[None], base[None], names)], level, seed, repeats)


@dataclass(frozen=True)
class Paired:
    """Two training sets under one condition (a data set and a number of shots), measured on the same N images: ours
    (D, S, N) and base (D, T, N) of D draws of the shots, S and T trainings each; strata: N defect types; images: the
    name of the set of test images, which conditions may share, in the same order."""

    ours: np.ndarray
    base: np.ndarray
    strata: Sequence[str]
    images: str = ""


def pooled_gain(conditions: Sequence[Paired], level: float = 0.95, seed: int = 0, repeats: int = REPEATS) -> Interval:
    """How much higher `ours` lies than `base`, the mean over conditions c of the mean over types k of the mean over
    their images i:

        G = mean_c mean_k mean_i g_ci,  g_ci = mean_d g_cdi,  g_cdi = mean_s ours_cdsi - mean_t base_cdti

    Its error has two parts, which are added as independent draws. *Images*: i is resampled within each type as
    `bootstrap` does it; conditions with the same test images resample them together. *Learning*: of a condition the
    draws are the independent units, with the seeds of their trainings nested in them. From M_d, the mean over the
    conditions with the same images and D draws (draw d of few shots is a part of draw d of more) of mean_k mean_i
    g_cdi, comes the variance s^2(M_d) / D with D - 1 degrees of freedom; with one draw, s^2 / S + s^2 / T of the
    trainings' means. Their weighted sum enters as a t-distributed term whose degrees of freedom are Satterthwaite's,
    (sum v)^2 / sum(v^2 / f). What differs by image and draw at once counts in both parts: it errs on the wide side.

    EvalError for fewer than two images of a type, and for one draw with one training: nothing shows how much the
    next would differ."""
    groups = [_groups(one.ours.shape[2], one.strata) for one in conditions]
    share = 1 / len(conditions)
    rng = np.random.default_rng(seed)
    by_images: dict[str, list[int]] = {}
    for number, one in enumerate(conditions):
        by_images.setdefault(one.images, []).append(number)
    deviations, images = np.zeros(repeats), 0
    for numbers in by_images.values():
        gains = [conditions[n].ours.mean((0, 1)) - conditions[n].base.mean((0, 1)) for n in numbers]
        deviations += _image_deviations(share * np.sum(gains, 0), groups[numbers[0]], level, repeats, rng)
        images += gains[0].size
    means = [
        (_means(one.ours, own), _means(one.base, own), one.images) for one, own in zip(conditions, groups, strict=True)
    ]
    value, variances = _learning(means)
    return _interval(value, deviations + _t_term(variances, repeats, rng), level, images)


def pooled_difference(conditions: Sequence[tuple[np.ndarray, np.ndarray, str]], level: float = 0.95) -> Interval:
    """The same of a figure that a training has once for all images, such as the average precision of their pixels:
    ours (D, S), base (D, T) and the name of the test images of each condition. Images are not resampled: the
    interval is about other draws and trainings, on these images."""
    value, variances = _learning(conditions)
    variance, freedom = _satterthwaite(variances)
    reach = float(np.sqrt(variance) * stats.t.ppf((1 + level) / 2, freedom)) if variance else 0.0
    return Interval(value, value - reach, value + reach, level, 0)


def _learning(conditions: Sequence[tuple[np.ndarray, np.ndarray, str]]) -> tuple[float, list[tuple[float, int]]]:
    """The mean gain over conditions, and the variances that come from other draws or trainings, with their degrees of
    freedom; of each condition the trainings' means (D, S) and (D, T), and the name of its images."""
    share = 1 / len(conditions)
    value = share * sum(float(ours.mean() - base.mean()) for ours, base, _ in conditions)
    draws: dict[tuple[str, int], np.ndarray] = {}
    variances = []
    for ours, base, images in conditions:
        if len(ours) > 1:
            own = share * (ours.mean(1) - base.mean(1))
            draws[images, len(ours)] = draws.get((images, len(ours)), 0) + own
        elif min(ours.size, base.size) < 2:
            raise EvalError(
                f"training sets have {ours.size} and {base.size} trainings; seed variance needs 2 or more of each"
            )
        else:
            variances += [(share**2 * float(one.var(ddof=1)) / one.size, one.size - 1) for one in (ours, base)]
    variances += [(float(own.var(ddof=1)) / own.size, own.size - 1) for own in draws.values()]
    return value, variances


def _satterthwaite(variances: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """The sum of independent variances, each with its degrees of freedom, and the degrees of freedom of it."""
    total = sum(variance for variance, _ in variances)
    if not total:
        return 0.0, 1.0
    return total, total**2 / sum(variance**2 / freedom for variance, freedom in variances)


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
    """Mean over strata of the mean in each, for every training: (..., N) -> (...)."""
    return np.asarray(np.mean([table[..., group].mean(-1) for group in groups], axis=0))


def _image_deviations(
    values: np.ndarray, groups: Sequence[np.ndarray], level: float, repeats: int, rng: np.random.Generator
) -> np.ndarray:
    """How far the stratified mean of resampled images lies from that of the images themselves; (repeats,)."""
    total = np.zeros(repeats)
    for group in groups:
        own = values[group]
        drawn = own[rng.integers(own.size, size=(repeats, own.size))].mean(1) - own.mean()
        total += drawn * widening(own.size, level) / len(groups)
    return total


def widening(n: int, level: float) -> float:
    """By how much the percentile interval of the mean of n values is widened."""
    tail = (1 + level) / 2
    return float(np.sqrt(n / (n - 1)) * stats.t.ppf(tail, n - 1) / stats.norm.ppf(tail))


def _t_term(variances: Sequence[tuple[float, int]], repeats: int, rng: np.random.Generator) -> np.ndarray:
    """The error of a mean whose independent parts have these variances and degrees of freedom; (repeats,)."""
    variance, freedom = _satterthwaite(variances)
    return np.sqrt(variance) * rng.standard_t(freedom, repeats) if variance else np.zeros(repeats)


def _interval(value: float, deviations: np.ndarray, level: float, images: int) -> Interval:
    low, high = np.quantile(deviations, [(1 - level) / 2, (1 + level) / 2])
    # An interval reaches as far down as the mean may lie too high.
    return Interval(value, value - float(high), value - float(low), level, images)
