"""Plastics, rubber and foam."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.materials.tone import toned
from synth.sources.procedural.noise import Shape, band_field, cells, clouds, grid, random_field, soft_step
from synth.sources.procedural.shade import Surface


def plastic(shape: Shape, rng: np.random.Generator) -> Surface:
    """Moulded plastic, smooth: nearly flat, faint orange peel, one broad highlight."""
    peel = clouds(shape, rng, rng.uniform(3, 10))
    return toned(peel * rng.uniform(0.02, 0.3), 0.01 * peel, rng.uniform(0.2, 0.9), shine=rng.uniform(20, 120))


def moulded(shape: Shape, rng: np.random.Generator) -> Surface:
    """Plastic from a textured mould: an eroded grain, or ribs, as on housings and dashboards."""
    if rng.random() < 0.7:
        scale = rng.uniform(1.2, 4)
        grain = clouds(shape, rng, scale) if scale > 2 else band_field(shape, rng, scale)
        relief = np.tanh(1.6 * grain) * rng.uniform(0.2, 0.35) * scale
    else:
        rows, columns = grid(shape)
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(5, 16)
        u = np.float32(np.cos(angle)) * columns + np.float32(np.sin(angle)) * rows
        wave = np.sin(u * np.float32(2 * np.pi / pitch))
        relief = np.tanh(rng.uniform(1, 4) * wave) * 0.12 * pitch
    flow = random_field(shape, rng, slope=3, stretch=2, angle=rng.uniform(0, np.pi))
    return toned(relief, 0.015 * flow, rng.uniform(0.1, 0.5), shine=rng.uniform(10, 40))


def rubber(shape: Shape, rng: np.random.Generator) -> Surface:
    """Rubber: matt, with fine closed pores, bloom and the odd rib."""
    pores = -np.clip(band_field(shape, rng, rng.uniform(0.8, 2.0)) - rng.uniform(0.8, 1.6), 0, None)
    bloom = random_field(shape, rng, slope=2.5)
    return toned(0.6 * pores, 0.1 * pores + rng.uniform(0.01, 0.06) * bloom, rng.uniform(0, 0.15), shine=8)


def foam(shape: Shape, rng: np.random.Generator) -> Surface:
    """Foam or sponge: open cells of many sizes, dark inside, pale walls."""
    pitch = rng.uniform(4, 13)
    number, nearest, second = cells(shape, rng, pitch)
    open_cells = rng.random(256) < rng.uniform(0.5, 1.0)
    inside = soft_step(np.float32(0.16 * pitch) - (second - nearest), 0.25 * pitch) * open_cells[number]
    hollow = inside * (0.5 + 0.5 * np.clip(1 - nearest / np.float32(0.6 * pitch), 0, 1))
    grain = band_field(shape, rng, 0.9)
    return toned(0.15 * grain - 0.45 * pitch * hollow, 0.05 * grain - rng.uniform(0.1, 0.3) * hollow, 0.01)
