"""How far two sets of feature vectors lie apart: kernel distance (KID) and Frechet distance.

Both are 0 for two samples of one distribution, on average for KID; the Frechet distance of small samples is far above
it, so it comes with a warning. Published figures called FID and KID use one particular network; ours are named after
the network that made the features.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from eval.metrics.bootstrap import Interval
from synth.errors import EvalError

SPLITS = 400


def squared_mmd(kxx: np.ndarray, kyy: np.ndarray, kxy: np.ndarray) -> float:
    """The unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) from kernel matrices (n, n), (m, m)
    and (n, m). May be negative: the true value is then near 0."""
    n, m = kxy.shape
    within_x = (kxx.sum() - np.trace(kxx)) / (n * (n - 1))
    within_y = (kyy.sum() - np.trace(kyy)) / (m * (m - 1))
    return float(within_x + within_y - 2 * kxy.mean())


def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x . y / D + 1)^3, the kernel of KID (Binkowski et al. 2018, section 4); x (n, D), y (m, D) -> (n, m)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def kid(x: np.ndarray, y: np.ndarray, level: float = 0.95, seed: int = 0) -> Interval:
    """The kernel distance of two feature sets (n, D) and (m, D), n and m >= 4, unbiased, all pairs used once.

    Its interval comes from random halves of both sets: an estimate from half of a sample spreads around the estimate
    from all of it as that spreads around the truth (half-sampling; Politis, Romano and Wolf 1999, 2.5)."""
    _check(x, y)
    x, y = np.asarray(x, float), np.asarray(y, float)
    kxx, kyy, kxy = kernel(x, x), kernel(y, y), kernel(x, y)

    def distance(i: np.ndarray, j: np.ndarray) -> float:
        return squared_mmd(kxx[np.ix_(i, i)], kyy[np.ix_(j, j)], kxy[np.ix_(i, j)])

    return _half_sampled(distance, len(x), len(y), level, seed)


def kid_difference(x: np.ndarray, z: np.ndarray, y: np.ndarray, level: float = 0.95, seed: int = 0) -> Interval:
    """KID(x, y) - KID(z, y), below 0 where x is nearer to y: x and z (n, D) answer the same n requests, row by row.

    Halves are drawn as for `kid`, of requests and of y (m, D), the same for both distances: what the two have in
    common, above all how few images y holds, does not widen the interval."""
    _check(x, y)
    if x.shape != z.shape:
        raise EvalError(f"features are {x.shape} and {z.shape}; the two must answer the same requests, row by row")
    x, y, z = (np.asarray(features, float) for features in (x, y, z))
    within, across = kernel(x, x) - kernel(z, z), kernel(x, y) - kernel(z, y)
    nothing = np.zeros((len(y), len(y)))

    def difference(i: np.ndarray, j: np.ndarray) -> float:
        return squared_mmd(within[np.ix_(i, i)], nothing[np.ix_(j, j)], across[np.ix_(i, j)])

    return _half_sampled(difference, len(x), len(y), level, seed)


def _half_sampled(
    estimate: Callable[[np.ndarray, np.ndarray], float], n: int, m: int, level: float, seed: int
) -> Interval:
    """`estimate` of all rows of two sets (their numbers are its arguments), its interval from random halves of both."""
    whole = estimate(np.arange(n), np.arange(m))
    rng = np.random.default_rng(seed)
    spread = np.empty(SPLITS)
    for split in range(SPLITS):
        i, j = (rng.permutation(size)[: size // 2] for size in (n, m))
        spread[split] = estimate(i, j) - whole
    low, high = np.quantile(spread, [(1 - level) / 2, (1 + level) / 2])
    return Interval(whole, whole - float(high), whole - float(low), level, n)


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """|m_x - m_y|^2 + trace(C_x + C_y - 2 (C_x C_y)^(1/2)) of two feature sets (n, D), (m, D) (Heusel et al. 2017).

    Warns where a set has fewer vectors than dimensions: the figure then mostly shows how small the set is."""
    _check(x, y)
    smallest, dimensions = min(len(x), len(y)), x.shape[1]
    if smallest <= dimensions:
        warnings.warn(
            f"the Frechet distance of {smallest} images in {dimensions} dimensions is far too high; compare only "
            "figures from equally many images, or read KID instead",
            stacklevel=2,
        )
    mean_x, mean_y = x.mean(0, dtype=float), y.mean(0, dtype=float)
    # The nonzero eigenvalues of C_x C_y are the squared singular values of A_x A_y^T, where C = A^T A.
    a, b = ((s - s.mean(0)) / np.sqrt(len(s) - 1) for s in (np.asarray(x, float), np.asarray(y, float)))
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(np.square(mean_x - mean_y).sum() + np.square(a).sum() + np.square(b).sum() - 2 * shared)


def _check(x: np.ndarray, y: np.ndarray) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise EvalError(f"features are {x.shape} and {y.shape}, wanted (images, dimensions) of one network")
    if min(len(x), len(y)) < 4:
        raise EvalError(f"there are {len(x)} and {len(y)} images; a distance of sets needs at least 4 each")
