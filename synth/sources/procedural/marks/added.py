"""Marks by addition: fibres, smears, drops, runs, specks, weld spatter, glue."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.marks.change import Marked, change, ink, patch, spots, stroke
from synth.sources.procedural.noise import band_field, clouds, near_curve, soft_step, wander
from synth.sources.procedural.shade import Surface


def thread(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A fibre or hair lying on the surface: thin, curled, of another colour, with its shadow."""
    width = rng.uniform(0.4, 1.4)
    cover, distance, _ = stroke(surface, centre, 1.4 * size, bend=rng.uniform(0.06, 0.3), width=width, rng=rng)
    rounded = np.sqrt(np.clip(1 - (distance / (width + 0.6)) ** 2, 0, 1))
    return change(surface, cover, depth=rng.uniform(0.8, 2) * rounded * cover, paint=ink(surface, rng), gloss=0.1)


def fray(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Torn fibre ends: a tuft of short loose fibres that fan out from one place, in a tone of the material."""
    cover = np.zeros(surface.height.shape, dtype=np.float32)
    heading, spread = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
    across = np.array([np.cos(heading), -np.sin(heading)])
    for _ in range(int(rng.integers(5, 14))):
        root = centre + across * rng.normal(0, 0.15 * size) - 0.4 * size * across[::-1] * (-1, 1)
        length = size * rng.uniform(0.4, 1.0)
        points = wander(root, heading + rng.normal(0, spread), length, bend=0.15, step=3, rng=rng)
        distance, along = near_curve(points, surface.height.shape, 4)
        cover = np.maximum(cover, soft_step(distance - 0.9 * (1.1 - 0.8 * along), 1.1) * rng.uniform(0.6, 1.0))
    tone = surface.albedo.mean((0, 1)) * rng.uniform(0.3, 0.65) if rng.random() < 0.4 else None
    pale = np.clip(surface.albedo.mean((0, 1)) * rng.uniform(1.3, 2.2) + 0.12, 0, 1)
    return change(surface, cover, depth=1.5 * cover, paint=pale if tone is None else tone, gloss=0.0)


def smear(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Grease, glue or paint wiped across: a broad streaked band that fades towards its end."""
    width = size * rng.uniform(0.08, 0.2)
    cover, distance, along = stroke(surface, centre, size, bend=0.04, width=width, rng=rng)
    # The wiping cloth draws lines along the way: noise in (distance, place along it).
    lines = np.sin(np.where(np.isfinite(distance), distance, 0) * rng.uniform(1.0, 2.5) + rng.uniform(0, 6))
    fade = 1 - rng.uniform(0, 0.7) * along
    film = np.clip((0.7 + 0.15 * lines + 0.2 * clouds(cover.shape, rng, 4)) * fade, 0.12, 1)
    return change(
        surface, cover * film * rng.uniform(0.4, 1.0), depth=0.4 * cover * film, paint=ink(surface, rng), region=cover
    )


def droplet(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Drops of liquid that stand on the surface: domes that darken and tint what is below, each with its glint."""
    count = int(rng.choice([1, 2, 4, 7]))
    radius = (0.5 * size, 0.51 * size) if count == 1 else (0.07 * size + 0.6, 0.16 * size + 1.0)
    distance = spots(surface, centre, size, count, radius, rng, rough=0.05)
    cover = soft_step(distance, 1.2)
    part = np.clip(-distance / radius[1], 0, 1)
    dome = np.sqrt(part * (2 - part)) * radius[1] * rng.uniform(0.3, 0.8)
    tint = np.exp(rng.normal(-0.3, 0.2, 3)).astype(np.float32)
    deep = (1 - 0.35 * np.exp(np.minimum(distance, 0) / 1.5))[..., None] * tint
    return change(surface, cover, depth=dome, tone=deep, gloss=1.0)


def drip(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Paint or glaze that ran down and set: a raised run that ends in a thick drop."""
    down = rng.normal(np.pi / 2, 0.12)
    start = centre - 0.5 * size * np.array([np.sin(down), np.cos(down)])
    points = wander(start, down, 0.9 * size, bend=0.04, step=4, rng=rng)
    width = max(1.0, size * rng.uniform(0.03, 0.07))
    distance, along = near_curve(points, surface.height.shape, 2.4 * width + 3)
    thick = width * (0.7 + 0.25 * np.sin(7 * along) + 0.9 * np.clip(5 * along - 4, 0, 1))
    cover = soft_step(distance - thick, 1.2)
    dome = np.sqrt(np.clip(1 - (distance / (thick + 0.5)) ** 2, 0, 1)) * thick * rng.uniform(0.5, 0.9)
    own = surface.albedo.mean((0, 1)) * rng.uniform(0.7, 1.2)
    colour = own if rng.random() < 0.5 else ink(surface, rng, 0.2)
    return change(surface, cover, depth=dome * cover, paint=np.clip(colour, 0, 1), gloss=0.8)


def specks(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Contamination: dust, chips or grains strewn over a place, angular, of many sizes."""
    distance = spots(surface, centre, size, int(rng.integers(5, 26)), (0.6, max(1.0, 0.045 * size)), rng, rough=0.35)
    cover = soft_step(distance, 1.0)
    return change(surface, cover, depth=rng.uniform(0.3, 1.2) * cover, paint=ink(surface, rng), gloss=0.1)


def spatter(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Weld spatter: beads of molten metal that froze on the surface, bright, each in a scorched ring."""
    largest = max(1.4, size * rng.uniform(0.06, 0.12))
    distance = spots(surface, centre, size, int(rng.integers(2, 10)), (1.0, largest), rng, rough=0.04)
    scorch = np.exp(-np.maximum(distance, 0) / (0.5 * largest + 0.8)) * (distance < 1.5 * largest + 3)
    seared, _ = change(
        surface,
        (rng.uniform(0.2, 0.7) * scorch).astype(np.float32),
        paint=np.array([0.12, 0.09, 0.07], dtype=np.float32),
    )
    cover = soft_step(distance, 1.0)
    part = np.clip(-distance / largest, 0, 1)
    bead = np.sqrt(part * (2 - part)) * largest + 0.6 * cover
    metal = np.full(3, rng.uniform(0.25, 0.7), dtype=np.float32)
    return change(seared, cover, depth=bead, paint=metal, gloss=0.8, region=np.maximum(cover, scorch > 0.6))


def glue(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Surplus glue or resin that set: a clear raised film, glossy, thicker at its rim, with bubbles."""
    distance = patch(surface, centre, size, rng, rough=0.1, ragged=0.02)
    cover = soft_step(distance, 1.2)
    inward = np.clip(-distance / max(2.0, 0.12 * size), 0, 1)
    film = np.sqrt(inward * (2 - inward)) * rng.uniform(0.8, 2.5) + 0.2 * clouds(cover.shape, rng, 6) * inward
    bubbles = np.clip(band_field(cover.shape, rng, 1.5) - 2.2, 0, 1)
    tint = np.array([1.0, 0.96, rng.uniform(0.6, 0.95)], dtype=np.float32) * rng.uniform(0.75, 1.15)
    rim = 1 - 0.25 * np.exp(-((distance + 1) ** 2) / 3)
    return change(surface, cover, depth=film, tone=(rim + 0.3 * bubbles)[..., None] * tint, gloss=1.0)
