"""Intra-cluster diversity: do images that resemble one shot still differ among themselves?

Every generated image joins the shot nearest to it; the mean distance within a cluster, averaged over clusters of two
and more (Ojha et al. 2021, "Few-shot image generation via cross-domain correspondence", there with LPIPS). 0 where the
generator repeats each shot. Published codes cap clusters and count lone images as 0; here neither.
"""

from __future__ import annotations

import numpy as np

from synth.errors import EvalError

_LEAST_DEVIATION = 0.3


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distance of every vector of x (n, D) to every one of y (m, D): (n, m) float64."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    squares = np.square(x).sum(1)[:, None] + np.square(y).sum(1) - 2 * x @ y.T
    return np.sqrt(np.maximum(squares, 0))


def standardised(shots: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """All feature sets (n, D) with the shots' mean taken off and divided by the shots' deviation, dimension by
    dimension: figures of different networks become comparable in size.

    By no less than 0.3 of the root mean square deviation: a dimension that hardly differs among few shots would
    otherwise speak louder than all the others as soon as anything else touches it."""
    mean, deviation = shots.mean(0, dtype=float), shots.std(0, dtype=float)
    least = _LEAST_DEVIATION * float(np.sqrt(np.square(deviation).mean()))
    scale = np.maximum(deviation, least)
    weight = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 1e-8)
    return [(features - mean) * weight for features in (shots, *others)]


def intra_cluster_diversity(generated: np.ndarray, shots: np.ndarray) -> float:
    """Mean distance of generated images (n, D) that share their nearest shot (m, D), in units of the shots' own
    deviation: about 1.4 for images as various as the shots are. NaN where no shot has two images."""
    if not len(shots) or not len(generated):
        raise EvalError(f"there are {len(generated)} generated images and {len(shots)} shots; give some of both")
    shots, generated = (features / np.sqrt(shots.shape[1]) for features in standardised(shots, generated))
    nearest = distances(generated, shots).argmin(1)
    within = []
    for cluster in np.unique(nearest):
        members = generated[nearest == cluster]
        if len(members) > 1:
            own = distances(members, members)
            within.append(own[np.triu_indices(len(members), 1)].mean())
    return float(np.mean(within)) if within else float("nan")
