"""Metal surfaces: brushed, ground, turned, cast, galvanised, painted, woven into a mesh."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.materials.tone import toned
from synth.sources.procedural.noise import Shape, band_field, cells, clouds, grid, profile, random_field, soft_step
from synth.sources.procedural.shade import Surface


def brushed(shape: Shape, rng: np.random.Generator) -> Surface:
    """Brushed metal: long fine parallel grooves."""
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    grooves = random_field(shape, rng, slope=rng.uniform(0.6, 1.4), stretch=rng.uniform(4, 12), angle=angle)
    tone = grooves * rng.uniform(0.03, 0.12) + 0.04 * clouds(shape, rng, 30)
    return toned(grooves * rng.uniform(0.02, 0.1), tone, rng.uniform(0.3, 0.9), shine=rng.uniform(15, 40))


def ground(shape: Shape, rng: np.random.Generator) -> Surface:
    """Dark sintered metal ground by a wheel: faint streaks in uneven groups along one direction, clouds, no gloss.

    The look of ferrite tiles: low contrast, streaks bright rather than dark, that come and go along their way."""
    upright = rng.random() < 0.75
    across, along = (shape[1], shape[0]) if upright else shape
    fine, broad = profile(rng, across, rng.uniform(0.35, 0.8)), profile(rng, across, rng.uniform(5, 14))
    bundles = np.clip(0.6 + 0.7 * profile(rng, across, rng.uniform(3, 10)), 0.05, 2.5)
    streaks = (np.exp(0.55 * fine) - 1.15) * bundles
    wear = np.clip(0.8 + rng.uniform(0.1, 0.6) * clouds((along, across), rng, rng.uniform(12, 40)), 0.05, 2)
    short = random_field((along, across), rng, slope=0.7, stretch=rng.uniform(3, 8), angle=np.pi / 2)
    tone = rng.uniform(0.05, 0.17) * streaks * wear + rng.uniform(0.02, 0.08) * broad + rng.uniform(0.03, 0.07) * short
    mottle = random_field(shape, rng, slope=rng.uniform(2.6, 3.6))
    tone = (tone if upright else tone.T) + rng.uniform(0.02, 0.1) * mottle
    return toned(0.25 * tone, tone, rng.uniform(0, 0.12))


def turned(shape: Shape, rng: np.random.Generator) -> Surface:
    """Turned on a lathe or face-milled: circular grooves around a centre, bright in two opposite fans."""
    rows, columns = grid(shape)
    size = min(shape)
    centre = size * rng.uniform(0.3, 0.7, 2) if rng.random() < 0.5 else size * rng.uniform(-1.5, 2.5, 2)
    y, x = rows - np.float32(centre[0]), columns - np.float32(centre[1])
    radius = np.hypot(x, y)
    feed = profile(rng, 8 * size, rng.uniform(2, 6))  # a quarter of a pixel per step: grooves wider than a pixel
    groove = feed[np.clip((radius * 4).astype(np.int32), 0, 8 * size - 1)]
    groove = groove + rng.uniform(0, 1.5) * np.sin(radius * np.float32(2 * np.pi / rng.uniform(3, 9)))
    fans = np.cos(2 * (np.arctan2(y, x) - np.float32(rng.uniform(0, np.pi))))
    tone = rng.uniform(0.02, 0.07) * groove + rng.uniform(0.03, 0.22) * fans
    return toned(rng.uniform(0.03, 0.12) * groove, tone, rng.uniform(0.2, 0.7) * (0.6 + 0.4 * fans), shine=20)


def cast(shape: Shape, rng: np.random.Generator) -> Surface:
    """Cast, sintered or sand-blasted metal: isotropic grain over slow unevenness."""
    grain = band_field(shape, rng, rng.uniform(0.6, 2.5))
    slow = clouds(shape, rng, rng.uniform(10, 40))
    relief = 0.2 * grain * rng.uniform(0.4, 2) + rng.uniform(0, 1.5) * slow
    return toned(relief, 0.03 * grain + 0.05 * slow, rng.uniform(0.05, 0.3))


def galvanised(shape: Shape, rng: np.random.Generator) -> Surface:
    """Hot-dip galvanised sheet: zinc crystals, each a flat patch that mirrors its own share of the light."""
    crystal, _, _ = cells(shape, rng, rng.uniform(9, 34))
    level, turn = rng.normal(0, rng.uniform(0.04, 0.12), 256).astype(np.float32), rng.integers(0, 3, 256)
    ferns = [random_field(shape, rng, slope=1.2, stretch=3, angle=rng.uniform(0, np.pi)) for _ in range(2)]
    fern = np.choose(turn[crystal], [*ferns, np.zeros(shape, dtype=np.float32)])
    tone = level[crystal] + rng.uniform(0.01, 0.05) * fern + 0.04 * clouds(shape, rng, 30)
    return toned(0.05 * tone, tone, rng.uniform(0.1, 0.6), shine=25)


def painted(shape: Shape, rng: np.random.Generator) -> Surface:
    """Painted or powder-coated sheet: orange peel under a gloss."""
    peel = clouds(shape, rng, rng.uniform(2, 5))
    sag = clouds(shape, rng, 35)
    return toned(rng.uniform(0.05, 0.35) * peel + sag, 0.02 * sag, rng.uniform(0.4, 1.0), shine=rng.uniform(40, 150))


def mesh(shape: Shape, rng: np.random.Generator) -> Surface:
    """A wire mesh or grid: round bars that cross, dark gaps between them."""
    rows, columns = grid(shape)
    angle, pitch = rng.choice([0.0, np.pi / 4, rng.uniform(0, np.pi)]), rng.uniform(9, 26)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    sway = rng.uniform(0, 0.6) * clouds(shape, rng, 20)
    u = cos * columns + sin * rows + sway
    v = cos * rows - sin * columns + sway
    half = pitch * rng.uniform(0.1, 0.28)
    du, dv = (np.abs((w + rng.uniform(0, pitch)) % pitch - pitch / 2) for w in (u, v))
    waves = 0.3 * half * np.sin(u * (np.pi / pitch)) * np.sin(v * (np.pi / pitch))
    over = [np.sqrt(np.clip(1 - (d / half) ** 2, 0, 1)) * half + sign * waves for d, sign in ((du, 1), (dv, -1))]
    wire = soft_step(np.minimum(du, dv) - half, 1.2)
    height = wire * (np.maximum(*over) + half)
    floor = rng.uniform(-0.5, -0.3) if rng.random() < 0.8 else rng.uniform(0.1, 0.4)
    return toned(height, (1 - wire) * floor, rng.uniform(0.1, 0.6) * wire)
