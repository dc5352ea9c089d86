"""A shot's defect as it is searched for: its crop at every level, how far it is turned, and how well it has to fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth.placing.crop import DefectCrop
from synth.placing.levels import LevelCrop
from synth.placing.pose import Pose
from synth.placing.turning import ANY
from synth.sample import Sample

_STEP, _FINE_STEP = 15.0, 4.0
"""Degrees between two turns of a search over all angles, and over a few."""
_LARGEST_CANVAS = 200


@dataclass(frozen=True, eq=False)
class ShotCrop:
    """The defect of the shot `name` at each level, how far it may be turned (degrees to either side), and the largest
    differences at which its surroundings fit: on whole images at the coarse level, and around one place at the medium
    one, where that is not too large to be searched. example: a good image and the pose that fits there best."""

    name: str
    crop: DefectCrop
    levels: tuple[LevelCrop, ...]
    turn: float
    mirrors: bool = True
    coarse: float = np.inf
    medium: float = np.inf
    example: tuple[Sample, Pose] | None = None

    @property
    def angles(self) -> np.ndarray:
        """The turns in degrees at which it is tried on a whole image."""
        if self.turn >= ANY:
            return np.arange(0.0, 360.0, _STEP)
        steps = int(np.ceil(self.turn / _FINE_STEP))
        return np.linspace(-self.turn, self.turn, 2 * steps + 1)

    @property
    def step(self) -> float:
        """Degrees between two of them."""
        return float(self.angles[1] - self.angles[0]) if len(self.angles) > 1 else 0.0

    def searched(self, level: int) -> bool:
        """Whether the crop is small enough to be searched around a place at this level."""
        return 2 * self.levels[level].reach <= _LARGEST_CANVAS
