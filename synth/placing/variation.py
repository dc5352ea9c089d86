"""How one pasted defect differs from the shot it comes from: the numbers are drawn once, then only read.

Strong copy-paste after TumorCP (Yang et al. 2021: size, turn, elastic bending, gamma, contrast) and CarveMix (Zhang et
al. 2021: a random margin of the shot's own surroundings comes along, so that no seam marks the outline). CarveMix's
negative margins, which cut into the defect, are left out, because the label would not follow; wide ones, because the
checks hold that nothing changes far from the label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from synth.placing.config import Range
    from synth.placing.crop import DefectCrop

_SIZE = (0.85, 1.2)
_TURN = 5.0
_DEPTH = (0.85, 1.15)
_GAMMA = (0.85, 1.18)
_MARGIN = (1.5, 4.0)
_BEND = 0.5
_STEEPEST = 0.2
_WAVES_ALONG = 3.0
_HIGHEST, _LEAST = 0.006, 0.05


@dataclass(frozen=True, slots=True)
class Variation:
    """severity: asked, 1 = as the shots. scale, contrast: of size and depth, severity in them. degrees: turned beyond
    the angle at which the surroundings fit. gamma: of the pixels. margin: width in px of the surroundings that come
    along. bend: deviation of the elastic field as a share of the defect's width, and its seed."""

    severity: float = 1.0
    scale: float = 1.0
    degrees: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0
    margin: float = 0.0
    bend: float = 0.0
    bend_seed: int = 0


UNVARIED = Variation()
"""The shot as it is."""


def draw_variation(rng: np.random.Generator, severity: Range = (1.0, 1.0)) -> Variation:
    """One sample's numbers. severity: the range it is drawn from, evenly in its logarithm; contrast grows with it, and
    size with its square root."""
    asked = _even_in_log(rng, severity)
    return Variation(
        severity=asked,
        scale=_even_in_log(rng, _SIZE) * float(np.sqrt(asked)),
        degrees=float(rng.uniform(-_TURN, _TURN)),
        contrast=_even_in_log(rng, _DEPTH) * asked,
        gamma=_even_in_log(rng, _GAMMA),
        margin=float(rng.uniform(*_MARGIN)),
        bend=float(rng.uniform(0, _BEND)),
        bend_seed=int(rng.integers(2**31)),
    )


def bending(variation: Variation, crop: DefectCrop) -> np.ndarray | None:
    """How far each pixel of a crop is moved, (h, w, 2) px along rows and columns; None where it is not.

    Smooth noise with waves of a third of the defect's extent, of two of its widths at the least; never so steep that
    a piece is stretched or pressed by more than about a fifth, or thin defects would lose their width, nor higher than
    0.006 of the shot's shorter side, or the part's own lines would run in waves. What the shot's border cuts off is
    not moved across it."""
    wave = max(crop.extent / _WAVES_ALONG, 2 * crop.thickness, 4.0)
    steepest = _STEEPEST * wave / (2 * np.pi)
    height = min(variation.bend * crop.thickness, steepest, _HIGHEST * min(crop.shape))
    if height < _LEAST:
        return None
    cells = tuple(int(np.ceil(2 * n / wave)) + 2 for n in crop.mask.shape)
    noise = np.random.default_rng(variation.bend_seed).normal(0, height, (*cells, 2)).astype(np.float32)
    across = [any(side[axis] for side in crop.cut_sides) for axis in (0, 1)]
    noise[..., across] = 0
    return cv2.resize(noise, crop.mask.shape[::-1], interpolation=cv2.INTER_CUBIC)


def _even_in_log(rng: np.random.Generator, limits: Range) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))
