"""Scores and labels as the metrics count them: flat, finite, of equal length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synth.errors import EvalError

Arrays = np.ndarray | Sequence[np.ndarray] | Sequence[float] | Sequence[bool]
"""One array of any shape, a list of arrays that may differ in shape, or a list of numbers."""


def pool(scores: Arrays, labels: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,) and labels (N,) bool, element by element. EvalError where shapes differ, a score is NaN or infinite,
    or a label is neither 0 nor 1."""
    values, truth = parts(scores), parts(labels)
    if [part.shape for part in values] != [part.shape for part in truth]:
        raise EvalError(f"scores have shapes {_shapes(values)}, labels {_shapes(truth)}; give one label a score")
    flat = np.concatenate([part.ravel() for part in values])
    marked = np.concatenate([part.ravel() for part in truth])
    if not np.isfinite(flat).all():
        raise EvalError(f"{int((~np.isfinite(flat)).sum())} of {flat.size} scores are NaN or infinite; a metric ranks")
    if marked.dtype != np.bool_ and not np.isin(marked, (0, 1)).all():
        raise EvalError("labels hold values other than 0 and 1; compare soft masks with > 0.5 (> 127) first")
    return flat, marked.astype(bool)


def parts(values: Arrays) -> list[np.ndarray]:
    """The arrays of a list, or the single one; never an empty list."""
    if isinstance(values, np.ndarray) or not len(values) or np.isscalar(values[0]):
        return [np.asarray(values)]
    return [np.asarray(value) for value in values]


def _shapes(arrays: Sequence[np.ndarray]) -> str:
    named = ", ".join(str(array.shape) for array in arrays[:3])
    return f"{named}, ..." if len(arrays) > 3 else named
