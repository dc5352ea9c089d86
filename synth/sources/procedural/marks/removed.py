"""Marks by removal: scratched, gouged, cut, cracked, chipped, broken, pitted, pierced or worn away."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.marks.change import Marked, change, lighter_or_darker, patch, spots, stroke, tail
from synth.sources.procedural.noise import band_field, blob, clouds, near_curve, random_field, soft_step, wander
from synth.sources.procedural.shade import Surface


def scratch(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A hard edge dragged over the surface: one to three long even grooves with a bright or dark bottom and a burr."""
    width = rng.uniform(0.5, 0.015 * size + 1.4)
    cover = np.zeros(surface.height.shape, dtype=np.float32)
    burr = np.zeros_like(cover)
    heading = tail(centre, size, rng)[1]
    for number in range(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])):
        length = size * (rng.uniform(0.4, 0.9) if number else 1.0)
        direction = np.array([np.sin(heading), np.cos(heading)])
        aside = number * rng.uniform(2, 5) * direction[::-1] * (1, -1)
        points = wander(centre - 0.5 * length * direction + aside, heading, length, bend=0.01, step=4, rng=rng)
        distance, along = near_curve(points, surface.height.shape, width + 5)
        pressure = np.clip(4 * along + 0.3, 0, 1) * np.clip(4 * (1 - along) + 0.3, 0, 1)
        cover = np.maximum(cover, soft_step(distance - width * pressure, 1.2))
        burr = np.maximum(burr, np.exp(-((distance - width - 1.2) ** 2)) * pressure)
    relief = rng.uniform(0, 0.5) * burr - rng.uniform(0.3, 1.6) * cover
    return change(surface, cover, depth=relief, tone=lighter_or_darker(rng, 0.4))


def gouge(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A tool ploughed through: a wide deep groove with a torn bottom and the displaced material heaped beside it."""
    width = max(1.6, size * rng.uniform(0.04, 0.1))
    cover, distance, _ = stroke(surface, centre, size, bend=0.02, width=width, rng=rng)
    torn = band_field(cover.shape, rng, 1.0)
    groove = np.clip(1 - distance / (width + 1), 0, 1) * cover
    ridge = np.exp(-(((distance - width - 1.5) / 1.2) ** 2))
    relief = rng.uniform(0.4, 0.9) * ridge - rng.uniform(0.5, 1.1) * width * groove + 0.3 * torn * cover
    return change(surface, cover, depth=relief, tone=lighter_or_darker(rng) + 0.08 * torn)


def cut(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A blade went in: a straight slit, open like a lens in the middle, dark inside, its lips raised."""
    start, heading = tail(centre, size, rng)
    points = wander(start, heading, size, bend=0.006, step=4, rng=rng)
    width = rng.uniform(0.8, 0.035 * size + 1.2)
    distance, along = near_curve(points, surface.height.shape, width + 5)
    opening = width * np.sqrt(np.clip(4 * along * (1 - along), 0.04, 1))
    cover = soft_step(distance - opening, 1.0)
    lips = np.exp(-((distance - opening - 1.5) ** 2) / 2)
    relief = rng.uniform(0.2, 1.0) * lips - rng.uniform(2, 5) * cover
    return change(surface, cover, depth=relief, tone=rng.uniform(0.08, 0.5), gloss=0.0)


def crack(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A fracture: thin, jagged, dark, tapering from where it began, often branching."""
    width = rng.uniform(0.6, 0.014 * size + 1.5)
    cover = _fracture(surface, centre, size, width, branches=int(rng.choice([0, 1, 2, 3, 5])), rng=rng)
    return change(surface, cover, depth=-rng.uniform(0.8, 4) * cover, tone=rng.uniform(0.12, 0.6), gloss=0.0)


def hairline(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A fracture that has hardly opened: a pixel wide, faint, wandering."""
    cover = _fracture(surface, centre, size, rng.uniform(0.3, 0.6), branches=int(rng.choice([0, 0, 1])), rng=rng)
    return change(surface, cover, depth=-rng.uniform(0.2, 0.9) * cover, tone=rng.uniform(0.45, 0.8))


def _fracture(
    surface: Surface, centre: np.ndarray, size: float, width: float, branches: int, rng: np.random.Generator
) -> np.ndarray:
    start, heading = tail(centre, 0.9 * size, rng)
    bend = rng.uniform(0.15, 0.4)
    trunk = wander(start, heading, size, bend=bend, step=3, rng=rng)
    cover = np.zeros(surface.height.shape, dtype=np.float32)
    for branch in range(branches + 1):
        points, own = trunk, width
        if branch:
            joint = int(rng.integers(1, len(trunk)))
            turn = heading + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
            points = wander(trunk[joint], turn, size * rng.uniform(0.15, 0.45), bend=bend, step=3, rng=rng)
            own = width * rng.uniform(0.5, 0.8)
        jagged = points + rng.normal(0, 0.5, points.shape)
        distance, along = near_curve(jagged, surface.height.shape, width + 3)
        cover = np.maximum(cover, soft_step(distance - np.maximum(own * (1.15 - 0.8 * along), 0.25), 1.1))
    return cover


def pit(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A small deep hollow such as a corrosion pit, alone or in a group."""
    alone = rng.random() < 0.6
    radius = (0.5 * size, 0.51 * size) if alone else (max(0.8, 0.08 * size), max(1.0, 0.2 * size))
    distance = spots(surface, centre, size, 1 if alone else int(rng.integers(2, 6)), radius, rng)
    cover = soft_step(distance, 1.6)
    bowl = np.clip(-distance / radius[1], 0, 1) ** 0.6
    depth = -rng.uniform(0.3, 0.8) * radius[1] * np.maximum(bowl, 0.3 * cover)
    return change(surface, cover, depth=depth, tone=rng.uniform(0.15, 0.75), gloss=0.0)


def pores(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Gas in the material: a loose cloud of fine round holes."""
    largest = max(1.0, rng.uniform(0.02, 0.05) * size)
    distance = spots(surface, centre, size, int(rng.integers(6, 30)), (0.7, largest), rng)
    cover = soft_step(distance, 1.2)
    return change(surface, cover, depth=-rng.uniform(0.8, 2) * cover, tone=rng.uniform(0.15, 0.7), gloss=0.0)


def blowhole(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A gas bubble cut open: one smooth dark cavity, round or drawn out, with a crisp rim."""
    shape = (surface.height.shape[0], surface.height.shape[1])
    radii = (0.5 * size, max(0.8, 0.5 * size * rng.uniform(0.25, 1.0)))
    angle = rng.uniform(0, np.pi) if rng.random() < 0.6 else np.pi / 2 + rng.normal(0, 0.2)
    distance = blob(centre, radii, angle, 0.05, shape, rng)
    cover = soft_step(distance, 1.2)
    bowl = np.sqrt(np.clip(-distance / radii[1], 0, 1))
    rim = rng.uniform(0, 0.4) * np.exp(-((distance - 1) ** 2) / 2) * (distance < 2.5)
    tone = rng.uniform(0.1, 0.6) * (1 + 0.3 * bowl)
    return change(surface, cover, depth=rim - 0.9 * radii[1] * bowl, tone=tone, gloss=0.05)


def hole(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Pierced right through: what lies below shows, in one tone, in the shade of the rim."""
    distance = patch(surface, centre, size, rng, rough=rng.uniform(0.02, 0.2), ragged=rng.uniform(0, 0.03))
    cover = soft_step(distance, 1.2)
    below = np.full(3, rng.uniform(0.01, 0.1) if rng.random() < 0.75 else rng.uniform(0.4, 0.9), dtype=np.float32)
    shade = 1 - 0.4 * np.exp(np.minimum(distance, 0) / 2.5)
    return change(surface, cover, depth=-4 * cover, paint=below * shade[..., None], gloss=0.0)


def chip(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A flake knocked out: a sharp ragged outline, shell-shaped steps in a bottom of another tone."""
    distance = patch(surface, centre, size, rng, rough=0.25, ragged=0.03)
    cover = soft_step(distance, 1.2)
    inward = np.clip(-distance / (0.4 * size), 0, 1)
    shells = np.sin(inward * rng.uniform(6, 14) + clouds(cover.shape, rng, max(3.0, 0.2 * size)))
    facets = 0.6 * clouds(cover.shape, rng, rng.uniform(2, 4)) + 0.5 * shells
    depth = cover * (0.5 * facets - rng.uniform(1, 0.06 * size + 2) * (0.4 + 0.6 * inward))
    return change(surface, cover, depth=depth, tone=lighter_or_darker(rng) + 0.06 * facets, gloss=0.0)


def broken(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A piece broken off: straight-sided outline, a deep rough fracture face that slopes to one side."""
    rows, columns = np.indices(surface.height.shape, dtype=np.float32)
    y, x = rows - np.float32(centre[0]), columns - np.float32(centre[1])
    turns = np.sort(rng.uniform(0, 2 * np.pi, 3)) + np.array([0, 0.5, 1.0])
    turns = np.append(turns, turns[0] + np.pi)
    sides = [np.cos(t) * x + np.sin(t) * y - size * r for t, r in zip(turns, rng.uniform(0.22, 0.5, 4), strict=True)]
    wobble = clouds(y.shape, rng, max(2.5, 0.12 * size)) * max(0.8, 0.03 * size) + 0.5 * clouds(y.shape, rng, 2)
    # The circle bounds what parallel sides would leave open.
    outline = np.maximum(np.maximum.reduce(sides), np.hypot(x, y) - 0.55 * size)
    cover = soft_step((outline + wobble).astype(np.float32), 1.2)
    fracture = random_field((y.shape[0], y.shape[1]), rng, slope=2.2) + 0.5 * band_field(y.shape, rng, 1.0)
    slope = (np.cos(turns[0]) * x + np.sin(turns[0]) * y) * rng.uniform(0, 0.5)
    depth = cover * (np.clip(slope, -6, 6) - 6 + rng.uniform(0.4, 1.0) * fracture)
    return change(surface, cover, depth=depth, tone=lighter_or_darker(rng) + 0.07 * fracture, gloss=0.0)


def scuff(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Rubbed against something rough: a dull patch of many fine parallel scratches that fades at its rim."""
    distance = patch(surface, centre, size, rng, rough=0.2, ragged=0.04)
    cover = soft_step(distance, max(2.0, 0.12 * size))
    shape = (surface.height.shape[0], surface.height.shape[1])
    lines = random_field(shape, rng, slope=0.3, stretch=rng.uniform(4, 8), angle=rng.uniform(0, np.pi))
    strokes = np.clip(lines - 0.4, 0, 2)
    lift = rng.uniform(0.1, 0.35) if rng.random() < 0.65 else -rng.uniform(0.08, 0.25)
    tone = 1 + lift * (0.5 + strokes)
    return change(surface, cover, depth=-0.3 * strokes * cover, tone=tone, gloss=0.05)


def wear(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """The coating rubbed through: the bare ground shows in a patch whose rim is nibbled and streaked."""
    shape = (surface.height.shape[0], surface.height.shape[1])
    lines = random_field(shape, rng, slope=1.0, stretch=rng.uniform(2, 6), angle=rng.uniform(0, np.pi))
    distance = patch(surface, centre, size, rng, rough=0.15) + np.float32(0.07 * size) * np.clip(lines, -2, 2)
    cover = soft_step(distance, 2.0)
    bare = surface.albedo.mean((0, 1)) * lighter_or_darker(rng, 0.4)
    grey = bare.mean() + rng.uniform(0, 0.6) * (bare - bare.mean())
    return change(surface, cover, depth=-0.5 * cover, paint=grey * (1 + 0.05 * lines[..., None]), gloss=0.3)
