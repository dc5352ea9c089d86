"""Marks by discolouration: stained, rusted, burnt, uneven, faded, misprinted."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.marks.change import Marked, change, lighter_or_darker, patch
from synth.sources.procedural.noise import band_field, blob, clouds, grid, random_field, soft_step
from synth.sources.procedural.shade import Surface


def stain(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A liquid that dried: no relief, uneven inside, often with a darker rim."""
    distance = patch(surface, centre, size, rng, rough=0.2, ragged=0.04)
    cover = soft_step(distance, rng.uniform(1.2, 5))
    rim = rng.uniform(0, 0.3) * np.exp(-((distance / 2.5) ** 2))
    blotches = 0.08 * clouds(distance.shape, rng, 0.12 * size + 2)
    tone = lighter_or_darker(rng, 0.8) + blotches - rim
    tint = np.clip(rng.normal(1, 0.15, 3), 0.5, 1.3).astype(np.float32)
    return change(surface, cover, tone=np.maximum(tone, 0.05)[..., None] * tint)


def rust(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Corrosion: orange-brown blooms, speckled where they begin, rough and matt."""
    specks = band_field(surface.height.shape, rng, rng.uniform(0.8, 1.4))
    distance = patch(surface, centre, size, rng, rough=0.25, ragged=0.05) + np.float32(0.06 * size) * specks
    cover = soft_step(distance, 2.0)
    old = soft_step(0.3 - clouds(distance.shape, rng, 0.1 * size + 2) - 0.3 * specks, 1.0)[..., None]
    oxide = (
        np.array([0.52, 0.27, 0.11], dtype=np.float32) * (1 - old)
        + np.array([0.24, 0.13, 0.08], dtype=np.float32) * old
    )
    crusted = np.clip(oxide * np.exp(0.15 * specks[..., None] + rng.normal(0, 0.25)), 0, 1)
    return change(surface, cover * rng.uniform(0.6, 1.0), depth=cover * (0.2 + 0.35 * specks), paint=crusted, gloss=0.0)


def burn(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Overheated: a charred, blistered core in a brown halo that fades."""
    distance = patch(surface, centre, size, rng, rough=0.1, ragged=0.03)
    shape = distance.shape
    halo = soft_step(distance + 0.05 * size, 0.35 * size + 1)
    core = soft_step(distance + size * rng.uniform(0.12, 0.25), 0.2 * size + 1) * rng.uniform(0.3, 1.0)
    scorch = np.array([1.0, 0.72, 0.45], dtype=np.float32) * rng.uniform(0.4, 0.8)
    seared, mask = change(surface, halo * rng.uniform(0.6, 1.0), tone=scorch, gloss=0.1, region=halo * 1.6)
    blisters = clouds(shape, rng, 2.0)
    char = np.array([0.05, 0.045, 0.04], dtype=np.float32) * np.exp(0.3 * blisters)[..., None]
    charred, _ = change(seared, core, depth=0.5 * core * np.clip(blisters, -0.5, 2), paint=char, gloss=0.05)
    return charred, mask


def uneven(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A zone that was worked or coated otherwise: another tone and a stronger or weaker texture, no relief.

    Its border is sharp where a tool stopped, soft where a coat ran thin."""
    shape = (surface.height.shape[0], surface.height.shape[1])
    if rng.random() < 0.45:  # a strip or half of the view, as where a wheel stopped
        rows, columns = grid(shape)
        angle = rng.choice([0.0, 0.5]) * np.pi + rng.normal(0, 0.12)
        y, x = rows - np.float32(centre[0]), columns - np.float32(centre[1])
        across = np.abs(np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y)
        along = np.abs(np.float32(np.cos(angle)) * y - np.float32(np.sin(angle)) * x)
        distance = np.maximum(across - size * rng.uniform(0.3, 0.5), along - size * rng.uniform(0.5, 1.5))
        distance = distance + 1.2 * clouds(shape, rng, 12)
    else:
        distance = patch(surface, centre, size, rng, rough=0.12, ragged=0.01)
    cover = soft_step(distance, rng.uniform(1.5, 4) if rng.random() < 0.6 else 0.3 * size)
    level = surface.albedo.mean((0, 1))
    texture = np.clip(1 + rng.uniform(-0.7, 2.0) * (surface.albedo.mean(-1) / level.mean() - 1), 0.2, 2.5)
    shift = rng.uniform(0.65, 0.92) if rng.random() < 0.6 else rng.uniform(1.08, 1.45)
    return change(surface, cover, tone=shift * texture)


def fading(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Bleached by light, heat or solvent: colour turns pale and grey in clouds without a border."""
    distance = patch(surface, centre, size, rng, rough=0.15, ragged=0.05)
    cover = soft_step(distance + 0.05 * size, 0.3 * size + 1)
    grey = surface.albedo.mean(-1, keepdims=True)
    pale = grey + rng.uniform(0.0, 0.6) * (surface.albedo - grey)
    lift = rng.uniform(0.12, 0.4) if rng.random() < 0.8 else -rng.uniform(0.05, 0.2)
    clouded = lift * (1 + 0.3 * clouds(distance.shape, rng, 0.15 * size + 2))[..., None]
    return change(surface, cover, paint=np.clip(pale + clouded * (1 - pale), 0.005, 1), region=1.6 * cover)


def misprint(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Ink where none belongs: a stray or doubled imprint of strokes and bars, out of register, unevenly inked."""
    shape = (surface.height.shape[0], surface.height.shape[1])
    rows, columns = grid(shape)
    angle = rng.choice([0.0, 0.5, 1.0, 1.5]) * np.pi + rng.normal(0, 0.1)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    y, x = rows - np.float32(centre[0]), columns - np.float32(centre[1])
    u, v = (cos * x + sin * y) / np.float32(size), (cos * y - sin * x) / np.float32(size)
    glyphs, lines = int(rng.integers(2, 6)), int(rng.integers(1, 3))
    cell_u, cell_v = (u + 0.5) * glyphs, (v / 0.35 + 0.5) * lines
    inside = (np.abs(u) < 0.5) & (np.abs(v) < 0.175)
    p, q = cell_u - np.floor(cell_u) - 0.5, cell_v - np.floor(cell_v) - 0.5
    number = (np.floor(cell_u) + glyphs * np.floor(cell_v)).astype(np.int32) % 64
    bars = rng.random((5, 64)) < 0.55  # which strokes of a seven-bar figure each glyph has
    bars[0] |= ~bars.any(0)
    half = 0.09 + rng.uniform(0, 0.03)
    strokes = (np.abs(p + 0.3), np.abs(p - 0.3), np.abs(q + 0.36), np.abs(q), np.abs(q - 0.36))
    distance = np.min([np.where(bars[k][number], s - half, 1.0) for k, s in enumerate(strokes)], axis=0)
    margin = np.maximum(np.abs(p) - 0.38, np.abs(q) - 0.45)
    pixel = size / glyphs
    printed = soft_step(np.maximum(distance, margin).astype(np.float32) * pixel, 1.2) * inside
    if rng.random() < 0.5:
        shift = tuple(int(s) for s in rng.integers(-3, 4, 2))
        printed = np.maximum(printed, 0.65 * np.roll(printed, shift, (0, 1)))
    coverage = np.clip(rng.uniform(0.75, 1.1) + 0.15 * band_field(shape, rng, 1.2), 0.55, 1)
    level = surface.albedo.mean()
    dark = rng.uniform(0.02, 0.15) if level > 0.3 or rng.random() < 0.2 else rng.uniform(0.6, 0.95)
    colour = np.clip(dark + rng.normal(0, 0.08, 3), 0.005, 1).astype(np.float32)
    return change(surface, printed * coverage, paint=colour, region=printed)


def mould(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Mould or tarnish: round colonies that run together, dark in the middle, fuzzy at the rim."""
    shape = (surface.height.shape[0], surface.height.shape[1])
    distance = np.full(shape, 1e3, dtype=np.float32)
    for number in range(int(rng.integers(3, 9))):
        middle = centre + (rng.normal(0, 0.2 * size, 2) if number else 0)
        radius = size * rng.uniform(0.06, 0.2) + 0.8
        distance = np.minimum(distance, blob(middle, (radius, radius), 0.0, 0.1, shape, rng))
    fuzz = random_field(shape, rng, slope=1.0)
    cover = soft_step(distance + 0.5 * fuzz, 2.5)
    core = np.clip(-distance / (0.12 * size), 0, 1)
    tint = (
        np.array([0.8, 1.0, 0.85], dtype=np.float32)
        if rng.random() < 0.5
        else np.array([1.0, 0.9, 0.8], dtype=np.float32)
    )
    return change(surface, cover, depth=0.3 * cover, tone=(rng.uniform(0.5, 0.8) - 0.3 * core)[..., None] * tint)
