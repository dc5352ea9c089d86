"""Points that are none: NaN and infinite ones, codes for "no return", and one point many times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from synth.io.columns import Raw
from synth.io.told import Told

CODE = 0.01
"""Share of the points from which one place that many have is a code for no return, not a point."""
FEW = 10
"""Points at one place that are copies of each other in any case."""
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


def cleaned(raw: Raw) -> tuple[Raw, dict[str, int]]:
    """The file without points that are none, and how many were dropped by reason: not finite; "no return": (0, 0, 0)
    given more than once, or one place that CODE of the points have; duplicate: the further ones at a place."""
    dropped: dict[str, int] = {}
    finite = np.isfinite(raw.points).all(1)
    if not finite.all():
        dropped["not finite"] = int((~finite).sum())
        raw = raw.only(finite)
    first, count = _places(raw.points)
    code = ((count > max(FEW, CODE * len(raw.points))) | ((raw.points == 0).all(1) & (count > 1))) & (count > 0)
    again = ~first & ~code
    for name, which in (("no return", code), ("duplicate", again)):
        if which.any():
            dropped[name] = int(which.sum())
    if code.any() or again.any():
        raw = raw.only(~code & ~again)
    if raw.normals is not None and not np.isfinite(raw.normals).all():
        # Some scanners' programs write normals of NaN where they found none: then none are known.
        told = Told("normals", "has normals that are not finite, so that none of them is used", "source.normals")
        raw = replace(raw, normals=None).telling(told)
    if dropped:
        named = ", ".join(f"{number:,} {reason}" for reason, number in dropped.items())
        raw = raw.telling(Told("dropped", f"holds points that are none and were dropped: {named}"))
    return raw, dropped


def _places(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For points (N, 3): which (N,) bool are the first at their place, and how many have it, (N,)."""
    mixed = np.zeros(len(points), np.uint64)
    with np.errstate(over="ignore"):
        for axis, factor in enumerate(_FACTORS):
            mixed += (points[:, axis] + 0.0).view(np.uint64) * factor  # -0.0 becomes 0.0
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed, kind="stable")
    new = np.ones(len(points), bool)
    # Equal places have equal numbers; of equal numbers the coordinates themselves decide.
    alike = np.flatnonzero(mixed[order[1:]] == mixed[order[:-1]])
    new[alike + 1] = (points[order[alike + 1]] != points[order[alike]]).any(1)
    run = np.cumsum(new) - 1
    first = np.empty(len(points), bool)
    first[order] = new
    count = np.empty(len(points), np.int64)
    count[order] = np.bincount(run)[run]
    return first, count
