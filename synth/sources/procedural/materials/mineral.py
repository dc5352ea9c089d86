"""Fired, poured and quarried: ceramic, glass, concrete, stone."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.materials.tone import toned
from synth.sources.procedural.noise import Shape, band_field, cells, clouds, grid, random_field, soft_step
from synth.sources.procedural.shade import Surface


def ceramic(shape: Shape, rng: np.random.Generator) -> Surface:
    """Glazed or fired ceramic: smooth clouds, a few fine specks, a crisp highlight, sometimes joints of tiles."""
    slow = clouds(shape, rng, rng.uniform(15, 45))
    specks = np.clip(band_field(shape, rng, 0.8) - 2.6, 0, None) * rng.choice([0.0, 0.25])
    height, tone = 0.4 * slow, 0.03 * slow - specks
    if rng.random() < 0.2:
        rows, columns = grid(shape)
        pitch = rng.uniform(30, 90)
        lines = [np.abs((w + np.float32(rng.uniform(0, pitch))) % pitch - pitch / 2) for w in (rows, columns)]
        joint = soft_step(np.minimum(*lines) - rng.uniform(0.8, 1.8), 1.5)
        height, tone = height - 2 * joint, tone + rng.uniform(-0.3, 0.2) * joint
    return toned(height, tone, rng.uniform(0.2, 1.0), shine=rng.uniform(50, 200))


def glass(shape: Shape, rng: np.random.Generator) -> Surface:
    """Glass or a polished lens: no texture of its own, only gradients of what it passes and reflects."""
    rows, columns = grid(shape)
    angle = rng.uniform(0, 2 * np.pi)
    across = (np.float32(np.cos(angle)) * columns + np.float32(np.sin(angle)) * rows) / max(shape)
    passed = rng.normal(0, 0.12) * across + rng.uniform(0, 0.08) * clouds(shape, rng, 45)
    panes = np.zeros(shape, dtype=np.float32)
    for _ in range(rng.integers(0, 3)):
        middle, half = rng.uniform(-0.3, 1.0), rng.uniform(0.03, 0.25)
        warped = across + 0.01 * clouds(shape, rng, 40)
        panes += rng.uniform(0.03, 0.3) * soft_step(np.abs(warped - middle) - half, rng.uniform(0.02, 0.3))
    height = 0.8 * clouds(shape, rng, 45)
    return toned(height, passed + panes, rng.uniform(0.5, 1.0), shine=rng.uniform(100, 300))


def concrete(shape: Shape, rng: np.random.Generator) -> Surface:
    """Concrete or mortar: mottled cement, grains of sand, round air voids, trowel unevenness."""
    mottle = random_field(shape, rng, slope=rng.uniform(1.6, 2.4))
    sand = band_field(shape, rng, rng.uniform(0.6, 1.1))
    voids = np.clip(clouds(shape, rng, rng.uniform(2, 4)) - rng.uniform(1.9, 2.8), 0, 0.5)
    tone = 0.06 * mottle + rng.uniform(0.02, 0.08) * sand - 0.5 * voids
    return toned(rng.uniform(0.1, 0.4) * sand + 0.3 * mottle - 5 * voids, tone, 0.02)


def stone(shape: Shape, rng: np.random.Generator) -> Surface:
    """Polished stone: granite's mixed grains or marble's veins."""
    if rng.random() < 0.5:
        number, nearest, second = cells(shape, rng, rng.uniform(2.5, 7))
        kinds = np.array([0.0, rng.uniform(0.08, 0.2), -rng.uniform(0.15, 0.35)], dtype=np.float32)
        minerals = kinds[rng.choice(3, 256, p=[0.55, 0.25, 0.2])] + rng.normal(0, 0.04, 256).astype(np.float32)
        tone = minerals[number] * soft_step(nearest - second + 0.6, 1.0) + 0.03 * band_field(shape, rng, 0.8)
    else:
        warped = random_field(shape, rng, slope=3.0, stretch=1.6, angle=rng.uniform(0, np.pi))
        vein = np.exp(-np.abs(warped) * rng.uniform(10, 30)) + 0.5 * np.exp(-np.abs(warped - 0.8) * 25)
        tone = rng.choice([-0.3, 0.25]) * vein + 0.07 * warped + 0.02 * band_field(shape, rng, 0.8)
    tint = (tone * rng.uniform(0, 0.3))[..., None] * rng.normal(0, 1, 3).astype(np.float32)
    return toned(0.1 * tone, tone, rng.uniform(0.1, 0.7), shine=100, tint=tint)
