"""What grew or was pulped: wood and cardboard."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.materials.tone import toned
from synth.sources.procedural.noise import Shape, band_field, clouds, grid, random_field, soft_step
from synth.sources.procedural.shade import Surface


def wood(shape: Shape, rng: np.random.Generator) -> Surface:
    """Planed wood: growth rings bent by slow noise, hard on one side, fine pores along the grain, sometimes a knot."""
    rows, columns = grid(shape)
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    across, along = cos * rows - sin * columns, cos * columns + sin * rows
    bend = random_field(shape, rng, slope=3.8, stretch=2.5, angle=angle) * np.float32(rng.uniform(2, 10))
    tone: np.ndarray = np.zeros(shape, dtype=np.float32)
    if rng.random() < 0.25:
        y, x = across - rng.uniform(-0.6, 1) * shape[0], along - rng.uniform(0, 1) * shape[1]
        from_knot = np.hypot(y, 0.5 * x).astype(np.float32)
        bend = bend + 18 * np.exp(-from_knot / 14) * np.sign(y)
        tone = -0.25 * soft_step(from_knot - rng.uniform(2, 5), 3)
    year = (across + bend) / np.float32(rng.uniform(6, 26))
    ring = (year % 1) ** 2 * soft_step(year % 1 - 0.9, 0.2)
    pores = random_field(shape, rng, slope=0.7, stretch=rng.uniform(5, 9), angle=angle)
    vessel = np.clip(pores - 1.0, 0, None)
    tone = tone - rng.uniform(0.1, 0.35) * (ring - 0.3) + 0.04 * pores - 0.08 * vessel
    tint = (tone * 0.15)[..., None] * np.array([-0.3, 0.1, 0.5], dtype=np.float32)
    return toned(0.06 * pores - 0.2 * vessel, tone, rng.uniform(0.0, 0.25), tint=tint)


def cardboard(shape: Shape, rng: np.random.Generator) -> Surface:
    """Cardboard or felted paper: cloudy pulp, short fibres of other tone, sometimes the ribs of its flute."""
    rows, columns = grid(shape)
    pulp = clouds(shape, rng, rng.uniform(3, 8)) + band_field(shape, rng, 0.8)
    fibres = np.zeros(shape, dtype=np.float32)
    for turn in rng.uniform(0, np.pi, 2):
        field = random_field(shape, rng, slope=0.3, stretch=rng.uniform(3, 5), angle=turn)
        fibres += np.clip(field - 1.9, 0, None)
    flute = np.sin((columns if rng.random() < 0.5 else rows) * np.float32(2 * np.pi / rng.uniform(9, 18)))
    ribs = flute * rng.choice([0.0, 0.0, 0.03, 0.06])
    tone = 0.02 * pulp + rng.choice([-0.12, 0.08]) * fibres + ribs
    return toned(0.12 * pulp + 6 * ribs, tone, 0.03)
