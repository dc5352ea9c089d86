"""May synthetic defects choose a threshold? Two questions to their scores, each a permutation test.

1. Does the detector see them at all: do they score above good images, AUROC > 0.5?
2. Where scores of real shots are given: do they score like them? Where nearly all of them lie above the shots, they are
   so easy that the threshold misses real defects; where nearly all lie below, so faint that it marks good images.

Without an answer in their favour there is no threshold: it abstains, with the reason.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import norm, rankdata

from eval.metrics import auroc

DOUBT = 0.01
"""The largest p-value that counts: of a hundred sets without anything in them one passes."""
UNLIKE = 0.9
"""AUROC of synthetic over real defects from which they are unlike each other; 0.1 the other way round."""
PERMUTATIONS = 1999
CONTROLS = 20
_MANY = 20
_AT_ONCE = 1 << 22
"""Scores permuted at once."""


@dataclass(frozen=True)
class Domain:
    """`auroc`: of synthetic defects over good images, with the p-value of chance; `over_shots`: of synthetic defects
    over real shots, 0.5 where they score alike, with the p-value of no difference, both None without shots. `reasons`:
    why to abstain; none where all is well."""

    auroc: float
    p_value: float
    over_shots: float | None
    p_shots: float | None
    reasons: list[str]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def check_domain(
    good: np.ndarray, synthetic: np.ndarray, shots: np.ndarray | None = None, seed: int = 0, kind: str = "synthetic"
) -> Domain:
    """Whether scores of synthetic defects (m,) look like those of real ones, given scores of good images (n,) and, if
    any, of real shots (k,) that the detector has not learnt from. kind: what the reasons call the defects."""
    rng = np.random.default_rng([seed, 1])
    seen, p_seen = _over(synthetic, good), _chance(synthetic, good, rng)
    reasons = []
    if p_seen > DOUBT:
        counts = f"{synthetic.size} {kind} and {good.size} good scores"
        reasons.append(f"{kind} defects do not score above good images: AUROC {seen:.2f}, p = {p_seen:.2g}, {counts}")
    if shots is None:
        return Domain(seen, p_seen, None, None, reasons)
    over = _over(synthetic, shots)
    p_over = min(1.0, 2 * min(_chance(synthetic, shots, rng), _chance(shots, synthetic, rng)))
    if p_over <= DOUBT and not 1 - UNLIKE < over < UNLIKE:
        side = "above" if over > 0.5 else "below"
        reasons.append(f"{kind} defects score {side} the real shots: AUROC over them {over:.2f}, p = {p_over:.2g}")
    return Domain(seen, p_seen, over, p_over, reasons)


def shuffled_control(good: np.ndarray, synthetic: np.ndarray, seed: int = 0, times: int = CONTROLS) -> int:
    """In how many of `times` shuffles, where good and synthetic scores change places at random, the check abstains: it
    should in nearly all, since nothing is left to find."""
    rng = np.random.default_rng([seed, 2])
    scores = np.concatenate([good, synthetic])
    abstained = 0
    for number in range(times):
        shuffled = rng.permutation(scores)
        abstained += bool(check_domain(shuffled[: good.size], shuffled[good.size :], seed=number).reasons)
    return abstained


def _over(high: np.ndarray, low: np.ndarray) -> float:
    return auroc(np.concatenate([high, low]), np.arange(high.size + low.size) < high.size)


def _chance(high: np.ndarray, low: np.ndarray, rng: np.random.Generator) -> float:
    """How often a random choice of high.size of all scores has ranks at least as high on average as `high`: the
    permutation test of AUROC > 0.5, ties at their mean rank; never 0, since the choice itself counts as one. Where both
    are many the sum of ranks is normal (Mann and Whitney 1947)."""
    ranks = rankdata(np.concatenate([high, low]))
    found = ranks[: high.size].sum()
    if min(high.size, low.size) >= _MANY:
        spread = np.sqrt(high.size * low.size * ranks.var(ddof=1) / ranks.size)
        return float(norm.sf((found - high.size * ranks.mean()) / spread)) if spread else 1.0
    at_once, reached, left = max(1, _AT_ONCE // ranks.size), 0, PERMUTATIONS
    while left > 0:
        drawn = rng.permuted(np.tile(ranks, (min(at_once, left), 1)), axis=1)
        reached += int((drawn[:, : high.size].sum(1) >= found - 1e-9).sum())
        left -= at_once
    return (1 + reached) / (1 + PERMUTATIONS)
