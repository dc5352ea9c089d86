"""Precision and recall of a generated set (Kynkaanniemi et al. 2019): an image is covered by a set when it lies no
farther from one of its members than that member's k-th neighbour does."""

from __future__ import annotations

import numpy as np

from eval.quality.diversity import distances
from synth.errors import EvalError


def precision_recall(generated: np.ndarray, real: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Share of generated images (n, D) that the real ones (m, D) cover, and of real ones that the generated cover;
    each in [0, 1], high = good. Low precision: unlike the real ones. Low recall: kinds of real ones are missing."""
    if min(len(generated), len(real)) <= k:
        raise EvalError(f"there are {len(generated)} and {len(real)} images; k = {k} neighbours need more of each")
    across = distances(generated, real)
    return float((across <= _reach(real, k)).any(1).mean()), float((across.T <= _reach(generated, k)).any(1).mean())


def _reach(features: np.ndarray, k: int) -> np.ndarray:
    """Distance of each vector to its k-th neighbour in the set; (n,)."""
    own = distances(features, features)
    np.fill_diagonal(own, np.inf)
    return np.partition(own, k - 1, axis=1)[:, k - 1]
