"""An isolation forest (Liu et al. 2008) as tensors: fitted by scikit-learn, scored here, saved without pickle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Forest:
    """T trees of at most M nodes. feature, left, right int64 (T, M): what a node asks and where it sends, itself at a
    leaf; threshold float64 (T, M): to the left up to it; length float64 (T, M): at a leaf, of the path to it and on to
    a point alone; usual, offset float64 (): the mean length at which a score is 0.5, and the score, negated, at which
    a decision is 0."""

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    length: Tensor
    usual: Tensor
    offset: Tensor

    def to_tensors(self) -> dict[str, Tensor]:
        return {name: value for name, value in asdict(self).items()}


def fit_forest(features: Tensor, trees: int, contamination: float | Literal["auto"], seed: int) -> Forest:
    """A forest fitted on rows (N, C). contamination: the share of these rows that it calls anomalous; "auto": whatever
    scores above 0.5."""
    from sklearn.ensemble import IsolationForest  # takes a second to import

    made = IsolationForest(n_estimators=trees, contamination=contamination, random_state=seed)
    made.fit(features.numpy().astype(np.float32))
    most = max(one.tree_.node_count for one in made.estimators_)
    columns = [_columns(one.tree_, most) for one in made.estimators_]
    feature, threshold, left, right, length = (torch.from_numpy(np.stack(each)) for each in zip(*columns, strict=True))
    usual = _average_length(np.array([made.max_samples_]))[0]
    return Forest(feature, threshold, left, right, length, *map(_number, (usual, made.offset_)))


def decisions(forest: Forest, features: Tensor) -> Tensor:
    """(N,) float64, below 0 = anomalous: what scikit-learn's `decision_function` gives for rows (N, C)."""
    if not forest.usual > 0:  # fitted on one row, it tells nothing apart
        return torch.zeros(len(features), dtype=torch.float64)
    return -torch.exp2(-_mean_length(forest, features) / forest.usual) - forest.offset


def _mean_length(forest: Forest, features: Tensor) -> Tensor:
    rows = features.float()
    tree = torch.arange(len(forest.feature))
    node = torch.zeros(len(rows), len(tree), dtype=torch.int64)
    while True:
        asked = rows.gather(1, forest.feature[tree, node])
        goes_left = asked.double() <= forest.threshold[tree, node]
        following = torch.where(goes_left, forest.left[tree, node], forest.right[tree, node])
        if torch.equal(following, node):
            return forest.length[tree, node].mean(1)
        node = following


def _columns(tree: object, most: int) -> tuple[np.ndarray, ...]:
    """A scikit-learn tree as the columns of `Forest`, padded to `most` nodes."""
    count, is_leaf = tree.node_count, tree.children_left < 0  # type: ignore[attr-defined]
    own = np.arange(count)
    left = np.where(is_leaf, own, tree.children_left)  # type: ignore[attr-defined]
    right = np.where(is_leaf, own, tree.children_right)  # type: ignore[attr-defined]
    feature = np.where(is_leaf, 0, tree.feature)  # type: ignore[attr-defined]
    threshold = np.where(is_leaf, 0.0, tree.threshold)  # type: ignore[attr-defined]
    depths = tree.compute_node_depths()  # type: ignore[attr-defined]
    length = depths - 1.0 + _average_length(tree.n_node_samples)  # type: ignore[attr-defined]
    return tuple(np.pad(each, (0, most - count)) for each in (feature, threshold, left, right, length))


def _average_length(samples: np.ndarray) -> np.ndarray:
    """Mean length of an unsuccessful search among so many points: 2 H(n - 1) - 2 (n - 1) / n, H(i) = ln i + gamma."""
    more = np.maximum(samples, 3) - 1.0
    several = 2 * (np.log(more) + np.euler_gamma) - 2 * more / (more + 1)
    return np.where(samples <= 1, 0.0, np.where(samples == 2, 1.0, several))


def _number(value: float) -> Tensor:
    return torch.tensor(float(value), dtype=torch.float64)
