"""Random streams by purpose: every draw comes from a sample's seed and a name, so that none changes another.

>>> stream(7, "count").integers(1, 4)
>>> defect_streams(instance_seed(7, index=0), attempt=0)["shape"]
"""

from __future__ import annotations

import numpy as np

PURPOSES = {"good image": 1, "count": 77, "bend side": 78, "stain": 79, "view": 80}
"""What a sample's own streams are for, and the number that stands for it: other numbers would draw other samples."""
DEFECT_PURPOSES = ("placement", "shape", "height", "material", "visible", "noise")
"""Child streams of a defect's seed, in this order: a later stage never changes what an earlier one drew."""
INSTANCE_STEP = 1_000_003
"""Between the seeds of the defects of one sample."""


def stream(seed: int, purpose: str) -> np.random.Generator:
    """The stream of a sample's seed for one of PURPOSES."""
    return np.random.default_rng([seed, PURPOSES[purpose]])


def attempt_stream(seed: int, attempt: int) -> np.random.Generator:
    """The one stream of an attempt at a published scheme."""
    return np.random.default_rng([seed, attempt])


def instance_seed(seed: int, index: int) -> int:
    """The seed of a sample's defect number `index`, from 0."""
    return seed + INSTANCE_STEP * index


def defect_streams(seed: int, attempt: int) -> dict[str, np.random.Generator]:
    """The streams of one attempt at one defect, by DEFECT_PURPOSES."""
    children = np.random.SeedSequence([seed, attempt]).spawn(len(DEFECT_PURPOSES))
    return {name: np.random.default_rng(child) for name, child in zip(DEFECT_PURPOSES, children, strict=True)}
