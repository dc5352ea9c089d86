"""Intervals of ranking metrics over images and over pixels: images are resampled, good and defective ones apart, those
that share something, such as a good image with several synthetic defects, together.

A resample is a number of times for each image, so its curve is a product of such numbers with one table of counts by
image and score; no map is ranked twice. For pixels the table has bins at quantiles of both classes, dense among the
highest good scores, where AUPRO@1% is decided; the value itself is exact, and the bins only tell how far resamples lie
from it. Percentiles are widened for the smaller class as in `eval.metrics.bootstrap`. Where nothing was ranked wrong,
resamples show no doubt; there the lower end is that of m of m successes, (alpha / 2)^(1 / m) (Clopper and Pearson
1934), m the number of images of the smaller class.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from eval.metrics.bootstrap import Interval, widening
from eval.metrics.pooled import Arrays, pool
from eval.metrics.ranking import count
from eval.metrics.region_overlap import LIMITS, aupros, region_weights
from synth.errors import EvalError

REPEATS = 1000
_BINS = 1024
"""Bins for each of three sets of edges."""
_LOOKED_AT = 1 << 20
"""Pixels of a class from which the edges are taken."""
_AT_ONCE = 128
"""Resamples in memory at once."""


@dataclass(frozen=True)
class _Table:
    """Counts by image and score, from the highest score down, (n, K) each: defect-free and defect pixels, and shares of
    connected defects."""

    good: csr_matrix
    defect: csr_matrix
    regions: csr_matrix

    def curves(self, times: np.ndarray) -> _Curves:
        """The curves of resamples (B, n) that take each image so many times."""
        good, defect, regions = ((own.T @ times.T).T for own in (self.good, self.defect, self.regions))
        return _Curves(good, defect, regions)


@dataclass(frozen=True)
class _Curves:
    """The same counts (B, K) of B resamples."""

    good: np.ndarray
    defect: np.ndarray
    regions: np.ndarray

    def auroc(self) -> np.ndarray:
        above = self.good.cumsum(1)
        below = above[:, -1:] - above + self.good / 2
        return _share((self.defect * below).sum(1), self.defect.sum(1) * above[:, -1])

    def average_precision(self) -> np.ndarray:
        found = self.defect.cumsum(1)
        precision = _share(found, found + self.good.cumsum(1))
        return _share((self.defect * precision).sum(1), found[:, -1])

    def f1_max(self) -> np.ndarray:
        found = self.defect.cumsum(1)
        return _share(2 * found, found + self.good.cumsum(1) + found[:, -1:]).max(1)

    def aupro(self, limit: float) -> np.ndarray:
        fpr, pro = (_share(own.cumsum(1), own.sum(1, keepdims=True)) for own in (self.good, self.regions))
        fpr, pro = (np.pad(own, ((0, 0), (1, 0))) for own in (fpr, pro))
        slope = _share(np.diff(pro), np.diff(fpr))
        width = np.diff(np.minimum(fpr, limit))
        return np.asarray((width * (pro[:, :-1] + slope * width / 2)).sum(1) / limit)


def image_intervals(
    scores: Arrays,
    labels: Arrays,
    level: float = 0.95,
    seed: int = 0,
    repeats: int = REPEATS,
    shared: Sequence[str] | None = None,
) -> dict[str, Interval]:
    """`image_auroc`, `image_ap` and `image_f1_max` of scores (n,) with labels (n,). shared: n names of what images
    show beside their defect; images of a class and name are resampled together, each alone by default. NaN, with a
    warning, where the figure is undefined; so are the ends where a class has one name."""
    values, truth = pool(scores, labels)
    counts = count(values, truth)
    exact = {"auroc": counts.auroc(), "ap": counts.average_precision(), "f1_max": counts.f1_max()}
    distinct, place = np.unique(-values, return_inverse=True)

    def table(chosen: np.ndarray) -> csr_matrix:
        rows = np.flatnonzero(chosen)
        return csr_matrix((np.ones(rows.size), (rows, place[rows])), (values.size, distinct.size))

    tables = _Table(table(~truth), table(truth), csr_matrix((values.size, distinct.size)))
    exact = {f"image_{name}": value for name, value in exact.items()}
    return _intervals(tables, _figures("image"), exact, truth, level, seed, repeats, shared)


def pixel_intervals(
    maps: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    limits: Sequence[float] = LIMITS,
    level: float = 0.95,
    seed: int = 0,
    repeats: int = REPEATS,
    shared: Sequence[str] | None = None,
) -> dict[str, Interval]:
    """`pixel_auroc`, `pixel_ap`, `pixel_f1_max` and `aupro_30` and so on for the limits, of n maps (H, W) and bool
    masks. shared, and NaN with a warning, as in `image_intervals`."""
    values, truth = pool(list(maps), list(masks))
    counts, areas = count(values, truth), aupros(maps, masks, limits)
    exact = {
        "pixel_auroc": counts.auroc(),
        "pixel_ap": counts.average_precision(),
        "pixel_f1_max": counts.f1_max(),
        **{_aupro_name(limit): area for limit, area in areas.items()},
    }
    figures = _figures("pixel") | {
        _aupro_name(limit): lambda curves, limit=limit: curves.aupro(limit) for limit in limits
    }
    edges = _edges(values[~truth], values[truth])
    tables = _Table(*(csr_matrix(np.stack(rows)) for rows in zip(*_rows(maps, masks, edges), strict=True)))
    defective = np.array([bool(mask.any()) for mask in masks])
    return _intervals(tables, figures, exact, defective, level, seed, repeats, shared)


def mean_interval(intervals: Sequence[Interval]) -> Interval:
    """The mean of figures of independent sets of images, such as categories, with its interval: the reaches of each to
    either side are added as squares."""
    if not intervals:
        raise EvalError("a mean needs at least one figure")
    value, low, high = np.array([(one.value, one.low, one.high) for one in intervals]).T
    down, up = (float(np.sqrt((reach**2).sum()) / len(intervals)) for reach in (value - low, high - value))
    mean = float(value.mean())
    return Interval(mean, mean - down, mean + up, intervals[0].level, sum(one.images for one in intervals))


def _aupro_name(limit: float) -> str:
    return f"aupro_{100 * limit:g}"


def _figures(of: str) -> dict[str, Callable[[_Curves], np.ndarray]]:
    return {f"{of}_auroc": _Curves.auroc, f"{of}_ap": _Curves.average_precision, f"{of}_f1_max": _Curves.f1_max}


def _intervals(
    table: _Table,
    figures: dict[str, Callable[[_Curves], np.ndarray]],
    exact: dict[str, float],
    defective: np.ndarray,
    level: float,
    seed: int,
    repeats: int,
    shared: Sequence[str] | None,
) -> dict[str, Interval]:
    """The exact figures, each with the ends of its resamples."""
    images = defective.size
    groups = _groups(defective, shared)
    smaller = min(int(own.max()) + 1 for _, own in groups)
    if smaller < 2:
        warnings.warn("an interval is undefined here: it needs two images of each class", stacklevel=3)
        return {name: Interval(value, np.nan, np.nan, level, images) for name, value in exact.items()}
    times = _times(groups, np.random.default_rng(seed), repeats, images)
    parts = [table.curves(times[start : start + _AT_ONCE]) for start in range(0, repeats, _AT_ONCE)]
    own = table.curves(np.ones((1, images)))
    wider = widening(smaller, level)
    tail = (1 - level) / 2
    found = {}
    for name, figure in figures.items():
        deviations = wider * (np.concatenate([figure(part) for part in parts]) - figure(own))
        low, high = (exact[name] + float(np.quantile(deviations, q)) for q in (tail, 1 - tail))
        if exact[name] == 1:
            low = min(low, tail ** (1 / smaller))
        found[name] = Interval(exact[name], low, high, level, images).within(0, 1)
    return found


def _groups(defective: np.ndarray, shared: Sequence[str] | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each class the images, and the number of the group that each belongs to."""
    names = np.arange(defective.size) if shared is None else np.asarray(shared)
    chosen = (np.flatnonzero(defective), np.flatnonzero(~defective))
    return [(images, np.unique(names[images], return_inverse=True)[1]) for images in chosen if images.size]


def _times(
    groups: list[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator, repeats: int, images: int
) -> np.ndarray:
    """How often each image is taken in each resample, (repeats, n), both classes with as many groups as they have."""
    times = np.zeros((repeats, images))
    for chosen, own in groups:
        n = int(own.max()) + 1
        times[:, chosen] = rng.multinomial(n, np.full(n, 1 / n), size=repeats)[:, own]
    return times


def _edges(good: np.ndarray, defect: np.ndarray) -> np.ndarray:
    """Bin edges, ascending: quantiles of both classes, and of the good scores nearer and nearer the highest."""
    edges = []
    for scores in (good, defect):
        some = np.sort(scores[:: max(1, scores.size // _LOOKED_AT)])
        if some.size:
            edges.append(some[np.linspace(0, some.size - 1, _BINS).astype(int)])
            edges.append(some[-np.geomspace(1, some.size, _BINS).astype(int)])
    return np.unique(np.concatenate(edges))


def _rows(
    maps: Sequence[np.ndarray], masks: Sequence[np.ndarray], edges: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each image the counts of `_Table`, (K,) each."""
    rows = []
    for scores, mask in zip(maps, masks, strict=True):
        place = edges.size - np.searchsorted(edges, scores, "right")
        size = edges.size + 1
        rows.append(
            (
                np.bincount(place[~mask], minlength=size).astype(float),
                np.bincount(place[mask], minlength=size).astype(float),
                np.bincount(place[mask], region_weights([mask]), minlength=size),
            )
        )
    return rows


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)
