"""Regions from thresholded Perlin noise, as the DRAEM family draws them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from synth.dual.scan_edits import LEAST_AREA
from synth.errors import GeneratorError
from synth.noise import PERIOD, Lattice, turned_places

TRIES = 50
"""Draws of noise before a part counts as too small for any region."""
EIGHT = np.ones((3, 3), bool)
"""Neighbours that connect, diagonal ones too."""


def turned_noise(shape: tuple[int, int], rng: np.random.Generator, max_power: int = 5) -> np.ndarray:
    """Perlin noise float32 (H, W), times sqrt(2), in [-1, 1], of any H and W. Cells across and down: 2^a, 2^b with a, b
    uniform in 0 .. max_power; turned by an angle uniform within 90 degrees either way (DRAEM). [C]"""
    cells = 2.0 ** rng.integers(0, max_power + 1, 2)
    angle = rng.uniform(-np.pi / 2, np.pi / 2)
    places = turned_places(shape, tuple(cells), angle, tuple(rng.uniform(0, PERIOD, 2)))
    return Lattice.draw(rng).at(places).astype(np.float32)


def ternary(noise: np.ndarray, threshold: float, where: np.ndarray) -> np.ndarray:
    """int8 (H, W): +1 where noise > threshold, -1 where noise < -threshold, 0 between and off `where`. Of three values
    the noise makes both signs of a defect at once (DAS3D)."""
    return ((noise > threshold).astype(np.int8) - (noise < -threshold)) * where


def pieces(signs: np.ndarray) -> tuple[np.ndarray, int]:
    """Connected pieces of equal sign, numbered from 1: int32 (H, W), and how many."""
    hills, count = ndimage.label(signs > 0, EIGHT)
    hollows, further = ndimage.label(signs < 0, EIGHT)
    return np.where(hollows > 0, hollows + count, hills), count + further


def within_area(signs: np.ndarray, least: float, most: float) -> np.ndarray:
    """The signs without pieces of fewer than `least` or more than `most` px."""
    labels, count = pieces(signs)
    area = np.bincount(labels.ravel(), minlength=count + 1)
    kept = (area >= least) & (area <= most)
    kept[0] = False
    return signs * kept[labels]


def drawn_signs(
    where: np.ndarray,
    threshold: tuple[float, float],
    max_power: int,
    rng: np.random.Generator,
    kept: Callable[[np.ndarray], np.ndarray] = lambda signs: signs,
) -> tuple[np.ndarray, np.ndarray]:
    """Noise float32 and `kept` of its signs int8, both (H, W), drawn until at least LEAST_AREA px are marked; the
    threshold is drawn with them. GeneratorError where TRIES draws mark too little.

    Released code takes the first draw, which is empty for 1 to 55 % of draws, and trains with it as an anomaly."""
    largest = 0
    for _ in range(TRIES):
        noise = turned_noise(where.shape, rng, max_power)
        signs = kept(ternary(noise, rng.uniform(*threshold), where))
        area = int(np.count_nonzero(signs))
        if area >= LEAST_AREA:
            return noise, signs
        largest = max(largest, area)
    raise GeneratorError(f"noise marked at most {largest} px of the part in {TRIES} draws, wanted {LEAST_AREA}")


def hills_alone(signs: np.ndarray) -> np.ndarray:
    """The signs without negative ones."""
    return signs * (signs > 0)
