"""Do detectors rank alike on synthetic and on real defects? Then synthetic ones may choose among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from eval.metrics import Interval
from eval.metrics.bootstrap import widening
from synth.errors import EvalError

REPEATS = 1000
LEAST_DETECTORS = 3


@dataclass(frozen=True)
class Ranked:
    """One figure, such as the image AUROC, of a detector in one setting (its features, its size), on the synthetic and
    on the real test defects of one data set."""

    detector: str
    setting: str
    data: str
    synthetic: float
    real: float


@dataclass(frozen=True)
class RankAgreement:
    """Spearman's correlation, the mean over data sets, with its interval, whose `images` are the rows; `regret`: how
    much of the real figure is lost by taking the best one by the synthetic figure, mean over data sets. `reason`: why
    both are NaN."""

    spearman: Interval
    regret: float
    detectors: int
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people."""
        if self.reason is not None:
            return [f"rank agreement of synthetic and real defects: not measured, {self.reason}"]
        return [
            f"rank agreement of synthetic and real defects: Spearman {self.spearman}, {self.detectors} detectors",
            f"  the best one by synthetic defects loses {self.regret:.3f} to the best one by real defects",
        ]


def rank_agreement(rows: Sequence[Ranked], level: float = 0.95, seed: int = 0) -> RankAgreement:
    """Spearman's correlation over detectors x settings of their figures on synthetic and on real defects, within each
    data set, mean over data sets: how hard a set is says nothing of detectors. The interval resamples detectors, whose
    settings belong together, and is widened for their number as in `eval.metrics.bootstrap`; resamples in which all
    rank equal are left out. It includes 0 where so few detectors (D) come in the same order by chance too often: where
    1 / D! is above (1 - level) / 2, as for three and four.

    NaN, with the reason, for fewer than three detectors and where every detector has the same figure. EvalError for a
    combination that occurs twice, and for one that is not measured on every data set."""
    detectors, data, cells = _table(rows)
    count = len(detectors)
    if count < LEAST_DETECTORS:
        return _unknown(f"{count} detectors, wanted at least {LEAST_DETECTORS}", level, count)
    owners = np.array([detectors.index(detector) for detector, _ in cells])
    value = _mean_spearman(data)
    if math.isnan(value):
        return _unknown("all detectors have the same figure on a data set, or one that is NaN", level, count)
    rng = np.random.default_rng([seed, 4])
    of_detector = [np.flatnonzero(owners == number) for number in range(count)]
    drawn = []
    for picks in rng.integers(count, size=(REPEATS, count)):
        chosen = np.concatenate([of_detector[pick] for pick in picks])
        drawn.append(_mean_spearman(data[:, chosen]))
    ends = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    low, high = np.clip(value + widening(count, level) * (ends - value), -1, 1).tolist()
    if 1 / math.factorial(count) > (1 - level) / 2:
        low, high = min(low, 0.0), max(high, 0.0)
    regret = float(np.mean([real.max() - real[synthetic.argmax()] for synthetic, real in data.transpose(0, 2, 1)]))
    return RankAgreement(Interval(value, min(low, value), max(high, value), level, len(rows)), regret, count)


def _table(rows: Sequence[Ranked]) -> tuple[list[str], np.ndarray, list[tuple[str, str]]]:
    """The detectors, the figures (data sets, cells, 2) and the cells: pairs of detector and setting."""
    figures = {(row.data, row.detector, row.setting): (row.synthetic, row.real) for row in rows}
    sets = list(dict.fromkeys(row.data for row in rows))
    cells = list(dict.fromkeys((row.detector, row.setting) for row in rows))
    if len(figures) != len(rows) or len(rows) != len(sets) * len(cells):
        raise EvalError(
            f"{len(rows)} rows for {len(cells)} detectors with settings on {len(sets)} data sets; wanted each once on "
            "each set"
        )
    found = [[figures[(data, detector, setting)] for detector, setting in cells] for data in sets]
    return (
        list(dict.fromkeys(name for name, _ in cells)),
        np.array(found, float).reshape(len(sets), len(cells), 2),
        cells,
    )


def _mean_spearman(data: np.ndarray) -> float:
    """Mean over data sets of the correlation of ranks, of figures (D, K, 2); NaN where ranks are all equal in one."""
    if not np.isfinite(data).all():
        return math.nan
    ranks = rankdata(data, axis=1)
    centred = ranks - ranks.mean(1, keepdims=True)
    lengths = np.sqrt((centred**2).sum(1)).prod(1)
    if not lengths.all():
        return math.nan
    return float((centred.prod(2).sum(1) / lengths).mean())


def _unknown(reason: str, level: float, detectors: int) -> RankAgreement:
    return RankAgreement(Interval(math.nan, math.nan, math.nan, level, 0), math.nan, detectors, reason)
