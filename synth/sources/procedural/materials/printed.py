"""Laid-out surfaces: printed sheets, circuit boards, perforated sheets."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.materials.tone import toned
from synth.sources.procedural.materials.woven import turned_grid
from synth.sources.procedural.noise import Shape, band_field, clouds, soft_step
from synth.sources.procedural.shade import Surface


def printed(shape: Shape, rng: np.random.Generator) -> Surface:
    """A printed sheet: bars, rings, dots, checks or lines of text in ink on a plain ground."""
    pitch = rng.uniform(12, 60)
    u, v = turned_grid(shape, rng, 0.0)
    du, dv = np.abs(u % pitch - pitch / 2), np.abs(v % pitch - pitch / 2)
    fill = pitch * rng.uniform(0.12, 0.35)
    kind = rng.integers(5)
    if kind == 4:  # text: strokes within lines, words between gaps
        line = soft_step(dv - 0.3 * pitch, 1.0)
        stroke = soft_step(0.2 - clouds(shape, rng, max(1.2, 0.08 * pitch)), 0.5)
        ink = line * stroke * soft_step(0.6 - clouds(shape, rng, 0.5 * pitch), 0.3)
    else:
        distance = (du, np.hypot(du, dv), np.maximum(du, dv), np.abs(np.hypot(u, v) % pitch - pitch / 2))[kind]
        ink = soft_step(distance - fill, 1.5)
    paper = band_field(shape, rng, 1.0)
    ink = ink * (1 + 0.06 * paper)
    tint = ink[..., None] * rng.normal(0, 0.2, 3).astype(np.float32)
    return toned(0.02 * paper, rng.uniform(-0.5, 0.3) * ink + 0.012 * paper, rng.uniform(0, 0.3), tint=tint)


def circuit(shape: Shape, rng: np.random.Generator) -> Surface:
    """A circuit board: copper tracks under solder mask, round pads and vias, dark chips, white legend."""
    u, v = turned_grid(shape, rng, 0.0)
    pitch = rng.uniform(7, 16)
    column, row = np.floor(u / pitch).astype(np.int32) % 64, np.floor(v / pitch).astype(np.int32) % 64
    x, y = u % pitch - pitch / 2, v % pitch - pitch / 2
    ways = rng.random((2, 64, 64)) < rng.uniform(0.35, 0.6)  # does a track leave this node rightwards, downwards
    right, down = ways[0][row, column], ways[1][row, column]
    left, up = ways[0][row, (column - 1) % 64], ways[1][(row - 1) % 64, column]
    width = pitch * rng.uniform(0.07, 0.16)
    along_u = np.where(np.where(x > 0, right, left), np.abs(y), pitch)
    along_v = np.where(np.where(y > 0, down, up), np.abs(x), pitch)
    track = soft_step(np.minimum(along_u, along_v) - width, 1.2)
    from_node = np.hypot(x, y)
    padded = (rng.random((64, 64)) < rng.uniform(0.1, 0.4))[row, column]
    pad = soft_step(np.where(padded, from_node, pitch) - 0.32 * pitch, 1.2)
    via = soft_step(np.where(padded, from_node, pitch) - 0.13 * pitch, 1.2)
    block = (rng.random((22, 22)) < rng.choice([0.0, 0.08, 0.16]))[row // 3, column // 3]
    chip = soft_step(0.5 - block.astype(np.float32), 0.6)
    bare, dark = pad * (1 - via) * (1 - chip), np.maximum(via * (1 - chip), chip)
    tone = 0.12 * track * (1 - chip) - 0.42 * dark + 0.1 * bare + 0.015 * band_field(shape, rng, 0.8)
    solder = np.array([0.45, 0.35, 0.15] if rng.random() < 0.5 else [0.4, 0.4, 0.4], dtype=np.float32)
    height = 0.4 * track + 0.8 * bare - 2 * via + 2.5 * chip
    return toned(height, tone, 0.2 + 0.5 * bare - 0.15 * chip, shine=60, tint=bare[..., None] * solder)


def perforated(shape: Shape, rng: np.random.Generator) -> Surface:
    """Perforated sheet: holes in square or staggered rows, their edges drawn in."""
    pitch = rng.uniform(9, 28)
    u, v = turned_grid(shape, rng, 0.0)
    row = np.floor(v / pitch)
    x, y = (u + (row % 2) * pitch / 2 * (rng.random() < 0.6)) % pitch - pitch / 2, v % pitch - pitch / 2
    distance = np.hypot(x, y) if rng.random() < 0.75 else np.maximum(np.abs(x), np.abs(y))
    away = distance - pitch * rng.uniform(0.2, 0.36)
    hole = soft_step(away, 1.3)
    rim = np.exp(-((away - 1) ** 2) / 2)
    grain = band_field(shape, rng, rng.uniform(0.7, 1.5))
    tone = rng.choice([-0.45, -0.45, 0.3]) * hole + 0.015 * grain
    return toned(-2 * hole - 0.5 * rim + 0.06 * grain, tone, rng.uniform(0.1, 0.6) * (1 - hole))
