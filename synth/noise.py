"""Gradient noise (Perlin 1985, fade of 2002): at any places of the plane, and turned on a pixel grid of any size.

All values lie within [-1, 1] or little beyond; every random number comes from the generator that is handed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

PERIOD = 32
"""Cells after which a `Lattice` repeats, unless it is drawn larger."""


def fade(t: np.ndarray) -> np.ndarray:
    """6 t^5 - 15 t^4 + 10 t^3: 0 and 1 with two vanishing derivatives at both ends."""
    return t * t * t * (t * (t * 6 - 15) + 10)


@dataclass(frozen=True, slots=True)
class Lattice:
    """Random unit gradients (rows, columns, 2) that give noise at any place of the plane, repeating after them."""

    gradients: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, size: tuple[int, int] = (PERIOD, PERIOD)) -> Lattice:
        angle = rng.uniform(0, 2 * np.pi, size).astype(np.float32)
        return cls(np.stack([np.cos(angle), np.sin(angle)], -1))

    def at(self, places: np.ndarray) -> np.ndarray:
        """Perlin noise times sqrt(2) at places (..., 2), x then y, measured in cells; (...)."""
        x, y = places[..., 0], places[..., 1]
        cell_x, cell_y = np.floor(x), np.floor(y)
        x, y = x - cell_x, y - cell_y
        rows, columns = self.gradients.shape[:2]
        left, top = cell_x.astype(np.int32) % columns, cell_y.astype(np.int32) % rows
        right, below = (left + 1) % columns, (top + 1) % rows
        along_x, across = self.gradients.reshape(-1, 2).T

        def corner(row: np.ndarray, column: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
            index = row * columns + column
            return along_x[index] * dx + across[index] * dy

        wx, wy = fade(x), fade(y)
        upper = corner(top, left, x, y)
        upper = upper + wx * (corner(top, right, x - 1, y) - upper)
        lower = corner(below, left, x, y - 1)
        lower = lower + wx * (corner(below, right, x - 1, y - 1) - lower)
        return math.sqrt(2) * (upper + wy * (lower - upper))

    def fbm(self, places: np.ndarray, octaves: int = 4, gain: float = 0.5) -> np.ndarray:
        """Fractal sum of `octaves`, each twice as fine and `gain` times as strong as the one before."""
        total, strength = np.zeros((), places.dtype), 1.0
        for octave in range(octaves):
            # Offsets keep the lattice points of the octaves, where all noise is zero, apart.
            total = total + strength * self.at(places * 2**octave + 5.17 * octave)
            strength *= gain
        return total


def turned_places(
    shape: tuple[int, int], cells: tuple[float, float], angle: float, offset: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Places float32 (H, W, 2), in cells, of the pixels of an image that has `cells` across and down, turned about its
    middle by `angle` radians and moved by `offset`.

    The lattice is turned, not the image, so that no corner is left without noise; the cells need not divide H, W."""
    rows, columns = ((np.arange(n, dtype=np.float32) + 0.5) / n - 0.5 for n in shape)
    cos, sin = np.cos(angle), np.sin(angle)
    x = (cos * columns - sin * rows[:, None]) * cells[0] + offset[0]
    y = (sin * columns + cos * rows[:, None]) * cells[1] + offset[1]
    return np.stack([x, y], -1).astype(np.float32)
