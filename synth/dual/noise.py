"""Gradient noise (Perlin 1985, fade of 2002): on a pixel grid of any size, at given places, and along a line.

All values lie within [-1, 1] or little beyond; every random number comes from the generator that is handed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from synth.dual.arrays import Array, namespace

PERIOD = 32
"""Cells after which `Lattice` repeats."""


def fade(t: Array) -> Array:
    """6 t^5 - 15 t^4 + 10 t^3: 0 and 1 with two vanishing derivatives at both ends."""
    return t * t * t * (t * (t * 6 - 15) + 10)


def perlin(shape: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Perlin noise float32 (H, W), times sqrt(2), over a lattice of `cells` (down, across), which need not divide H, W.

    Noise in a cell is a sum over its corners of fade(y) fade(x) (gradient . offset): a product of row and column terms.
    So the grid is two matrix products, gradients between one row and one column table each."""
    rows, row_offsets = _corner_weights(shape[0], cells[0])
    columns, column_offsets = _corner_weights(shape[1], cells[1])
    angle = rng.uniform(0, 2 * np.pi, (cells[0] + 1, cells[1] + 1)).astype(np.float32)
    scale = np.float32(math.sqrt(2))
    down = row_offsets @ (scale * np.sin(angle)) @ columns.T
    return down + rows @ (scale * np.cos(angle)) @ column_offsets.T


def _corner_weights(size: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Weight of each of the cells + 1 lattice lines at each px, and weight times offset; (size, cells + 1) each."""
    at = np.arange(size) * (cells / size)
    cell = np.minimum(at.astype(int), cells - 1)
    within = at - cell
    weight = np.zeros((size, cells + 1), np.float32)
    offset = np.zeros((size, cells + 1), np.float32)
    line = np.arange(size)
    for corner, share in ((0, 1 - fade(within)), (1, fade(within))):
        weight[line, cell + corner] = share
        offset[line, cell + corner] = share * (within - corner)
    return weight, offset


@dataclass(frozen=True, slots=True)
class Lattice:
    """Random unit gradients (PERIOD, PERIOD, 2) that give noise at any place of the plane."""

    gradients: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Lattice:
        angle = rng.uniform(0, 2 * np.pi, (PERIOD, PERIOD)).astype(np.float32)
        return cls(np.stack([np.cos(angle), np.sin(angle)], -1))

    def at(self, places: Array) -> Array:
        """Perlin noise times sqrt(2) at places (..., 2) measured in cells; (...)."""
        xp = namespace(places)
        x, y = places[..., 0], places[..., 1]
        cell_x, cell_y = xp.floor(x), xp.floor(y)
        x, y = x - cell_x, y - cell_y
        if xp is np:
            left, top = cell_x.astype(np.int32) % PERIOD, cell_y.astype(np.int32) % PERIOD
            table = self.gradients.reshape(-1, 2)
        else:
            left, top = cell_x.long() % PERIOD, cell_y.long() % PERIOD
            table = xp.as_tensor(self.gradients, dtype=places.dtype, device=places.device).reshape(-1, 2)
        right, below = (left + 1) % PERIOD, (top + 1) % PERIOD
        across, along_x = table[:, 1], table[:, 0]

        def corner(row: Array, column: Array, dx: Array, dy: Array) -> Array:
            index = row * PERIOD + column
            return along_x[index] * dx + across[index] * dy

        wx, wy = fade(x), fade(y)
        upper = corner(top, left, x, y)
        upper = upper + wx * (corner(top, right, x - 1, y) - upper)
        lower = corner(below, left, x, y - 1)
        lower = lower + wx * (corner(below, right, x - 1, y - 1) - lower)
        return math.sqrt(2) * (upper + wy * (lower - upper))

    def fbm(self, places: Array, octaves: int = 4, gain: float = 0.5) -> Array:
        """Fractal sum of `octaves`, each twice as fine and `gain` times as strong as the one before."""
        total, strength = 0.0, 1.0
        for octave in range(octaves):
            # Offsets keep the lattice points of the octaves, where all noise is zero, apart.
            total = total + strength * self.at(places * 2**octave + 5.17 * octave)
            strength *= gain
        return total


def line_noise(points: int, rng: np.random.Generator, hurst: float = 0.7) -> np.ndarray:
    """Fractional noise along a line: (points,) of zero mean and largest magnitude 1, power ~ 1 / f^(2 hurst + 1)."""
    frequency = np.fft.rfftfreq(points)
    frequency[0] = np.inf
    spectrum = rng.standard_normal((2, frequency.size)) * frequency ** -(hurst + 0.5)
    line = np.fft.irfft(spectrum[0] + 1j * spectrum[1], points)
    line -= line.mean()
    largest = np.abs(line).max()
    return line / largest if largest > 0 else line
