import numpy as np
import pytest

from synth.dual.noise import Lattice, fade, line_noise, perlin


def longhand(shape, cells, rng):
    """Perlin noise pixel by pixel, as the textbook has it."""
    angle = rng.uniform(0, 2 * np.pi, (cells[0] + 1, cells[1] + 1)).astype(np.float32)
    out = np.zeros(shape)
    for row in range(shape[0]):
        for column in range(shape[1]):
            y, x = row * cells[0] / shape[0], column * cells[1] / shape[1]
            i, j = int(y), int(x)
            dots = {}
            for di in (0, 1):
                for dj in (0, 1):
                    turn = angle[i + di, j + dj]
                    dots[di, dj] = np.sin(turn) * (y - i - di) + np.cos(turn) * (x - j - dj)
            upper = dots[0, 0] + fade(x - j) * (dots[0, 1] - dots[0, 0])
            lower = dots[1, 0] + fade(x - j) * (dots[1, 1] - dots[1, 0])
            out[row, column] = np.sqrt(2) * (upper + fade(y - i) * (lower - upper))
    return out


@pytest.mark.parametrize(("shape", "cells"), [((37, 53), (4, 8)), ((31, 7), (5, 3)), ((16, 16), (16, 1))])
def test_perlin_agrees_with_the_textbook_at_any_size(shape, cells):
    made = perlin(shape, cells, np.random.default_rng(3))
    assert made.dtype == np.float32
    assert np.abs(made - longhand(shape, cells, np.random.default_rng(3))).max() < 1e-5


def test_noise_at_places_is_zero_on_the_lattice_and_bounded_between():
    lattice = Lattice.draw(np.random.default_rng(1))
    whole = np.stack(np.meshgrid(np.arange(-5.0, 40), np.arange(-5.0, 40)), -1)
    assert np.abs(lattice.at(whole)).max() == 0
    between = lattice.at(np.random.default_rng(2).uniform(-50, 50, (20_000, 2)))
    assert 0.7 < np.abs(between).max() <= 1.0
    assert abs(between.mean()) < 0.02


def test_noise_is_continuous_across_cells():
    lattice = Lattice.draw(np.random.default_rng(1))
    line = np.stack([np.linspace(-3, 3, 6001), np.full(6001, 0.37)], 1)
    assert np.abs(np.diff(lattice.at(line))).max() < 0.01


def test_line_noise_is_centred_and_scaled():
    line = line_noise(64, np.random.default_rng(0))
    assert abs(line.mean()) < 1e-12
    assert np.abs(line).max() == 1
