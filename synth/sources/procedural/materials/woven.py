"""Woven, knitted and tufted good images, and leather."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.materials.tone import toned
from synth.sources.procedural.noise import Shape, band_field, cells, clouds, grid, random_field
from synth.sources.procedural.shade import Surface


def turned_grid(shape: Shape, rng: np.random.Generator, sway: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates u, v (px) of a grid turned at random (often upright) and gently distorted."""
    rows, columns = grid(shape)
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)]) + rng.normal(0, 0.03)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u = cos * columns + sin * rows + np.float32(rng.uniform(0, 50)) + sway * clouds(shape, rng, 12)
    v = cos * rows - sin * columns + np.float32(rng.uniform(0, 50)) + sway * clouds(shape, rng, 12)
    return u, v


def fabric(shape: Shape, rng: np.random.Generator) -> Surface:
    """Woven cloth, plain or twill: warp over weft, threads of uneven thickness, sometimes in two colours."""
    pitch = rng.uniform(3, 11)
    u, v = (w / np.float32(pitch) for w in turned_grid(shape, rng, rng.uniform(0.2, 0.9)))
    warp, weft = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    over = (warp + weft) % 2 == 0 if rng.random() < 0.6 else (warp + weft) % 4 < 2
    across, along = np.where(over, u - warp, v - weft) - 0.5, np.where(over, v - weft, u - warp) - 0.5
    thread = np.sqrt(np.clip(1 - (2 * across) ** 2, 0, 1)) * (1 - 0.9 * along**2)
    fibre = band_field(shape, rng, 0.7)
    yarns = rng.normal(0, 0.05, (2, 97)).astype(np.float32)
    uneven = np.where(over, yarns[0][warp % 97], yarns[1][weft % 97] + rng.choice([0.0, 0.0, -0.25, 0.2]))
    return toned(pitch * 0.2 * thread, 0.22 * (thread - 0.7) + uneven + 0.04 * fibre, 0.02)


def knit(shape: Shape, rng: np.random.Generator) -> Surface:
    """Knitted good images: columns of V-shaped stitches."""
    wale = rng.uniform(7, 20)
    u, v = turned_grid(shape, rng, rng.uniform(0.3, 1.0))
    x = (u / np.float32(wale)) % 1 - 0.5
    lean = v / np.float32(wale * rng.uniform(0.6, 0.85)) - 1.1 * np.abs(x)
    across, along = np.abs(x) * 4 - 1, (lean % 1) * 2 - 1
    yarn = np.sqrt(np.clip(1 - 0.75 * along**2 - 0.35 * across**2, 0, 1))
    fibre = band_field(shape, rng, 0.7)
    return toned(wale * 0.12 * yarn, 0.4 * (yarn - 0.8) + 0.05 * fibre, 0.01)


def carpet(shape: Shape, rng: np.random.Generator) -> Surface:
    """Tufted pile: soft lumps of yarn in loose rows, flecked."""
    pitch = rng.uniform(4, 9)
    u, v = turned_grid(shape, rng, rng.uniform(1, 2.5))
    lumps = np.sin(u * np.float32(2 * np.pi / pitch)) * np.sin(v * np.float32(2 * np.pi / pitch))
    tufts = 0.6 * lumps + 0.7 * clouds(shape, rng, 0.35 * pitch)
    fleck = band_field(shape, rng, rng.uniform(0.8, 1.4))
    tone = 0.12 * tufts + rng.uniform(0.03, 0.14) * fleck + 0.04 * clouds(shape, rng, 30)
    return toned(0.8 * tufts + 0.3 * fleck, tone, 0.0)


def leather(shape: Shape, rng: np.random.Generator) -> Surface:
    """Leather: plump pebbles between fine creases, pores, a slight sheen."""
    pitch = rng.uniform(4, 11)
    number, nearest, second = cells(shape, rng, pitch)
    across = np.clip((second - nearest) / np.float32(0.5 * pitch), 0, 1)
    pebble = across * (2 - across)
    fold = random_field(shape, rng, slope=2.5, stretch=2, angle=rng.uniform(0, np.pi))
    hue = rng.normal(0, 0.015, 256).astype(np.float32)[number]
    tone = rng.uniform(0.06, 0.16) * (pebble - 0.7) + 0.03 * fold + hue + 0.02 * band_field(shape, rng, 0.7)
    relief = rng.uniform(0.06, 0.13) * pitch * pebble + 0.4 * fold
    return toned(relief, tone, rng.uniform(0.1, 0.5) * pebble, shine=15)
