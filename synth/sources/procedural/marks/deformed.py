"""Marks by deformation: nothing lost and nothing added, the shape is no longer right."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.marks.change import Marked, change, lighter_or_darker, patch, tail
from synth.sources.procedural.noise import clouds, grid, near_curve, soft_step, wander
from synth.sources.procedural.shade import Surface


def dent(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Pressed in: a bowl with a slight rim, its colour kept; seen by its shading alone."""
    distance, bowl = _bowl(surface, centre, size, rng)
    rim = 0.12 * np.exp(-((distance / max(1.0, 0.05 * size)) ** 2))
    depth = size * rng.uniform(0.12, 0.35) * (rng.uniform(0, 1) * rim - bowl)
    return change(surface, soft_step(distance, 1.0), depth=depth)


def bump(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Pushed out from behind, or a blister: a smooth rise, its colour kept."""
    distance, bowl = _bowl(surface, centre, size, rng)
    return change(surface, soft_step(distance, 1.0), depth=size * rng.uniform(0.12, 0.35) * bowl)


def _bowl(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    distance = patch(surface, centre, size, rng, rough=0.08)
    inward = np.clip(-distance / (rng.uniform(0.25, 0.5) * size), 0, 1)
    return distance, inward * inward * (3 - 2 * inward)


def crease(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Folded and opened again: a straight ridge or valley, its crest worn to another tone."""
    start, heading = tail(centre, size, rng)
    points = wander(start, heading, size, bend=0.015, step=4, rng=rng)
    width = max(1.5, size * rng.uniform(0.02, 0.06))
    distance, along = near_curve(points, surface.height.shape, 2 * width + 2)
    ends = np.clip(6 * along + 0.2, 0, 1) * np.clip(6 * (1 - along) + 0.2, 0, 1)
    ridge = np.clip(1 - distance / (2 * width), 0, 1) * ends
    crest = soft_step(distance - 0.7, 1.2) * ends
    tone = 1 + crest * (lighter_or_darker(rng, 0.4) - 1) * 0.7
    relief = rng.choice([-1, 1]) * width * rng.uniform(0.5, 1.2) * ridge**1.3
    return change(surface, soft_step(distance - width, 1.2), depth=relief, tone=tone)


def wrinkle(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """Film or cloth gathered: a patch of wavy parallel ridges that die out at its rim."""
    distance = patch(surface, centre, size, rng, rough=0.15)
    rows, columns = grid((surface.height.shape[0], surface.height.shape[1]))
    angle, pitch = rng.uniform(0, np.pi), max(4.0, size * rng.uniform(0.12, 0.3))
    across = np.float32(np.cos(angle)) * columns + np.float32(np.sin(angle)) * rows
    wave = np.sin((across + 0.3 * pitch * clouds(across.shape, rng, pitch)) * np.float32(2 * np.pi / pitch))
    fade = np.clip(-distance / (0.2 * size), 0, 1)
    relief = rng.uniform(0.06, 0.16) * pitch * wave * fade
    return change(surface, soft_step(distance, 1.0), depth=relief, tone=1 + rng.uniform(0, 0.1) * wave * fade)


def peel(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> Marked:
    """A layer that came off: bare ground of another tone, and along one side the flap, lifted and curling back."""
    distance = patch(surface, centre, size, rng, rough=0.25, ragged=0.02)
    cover = soft_step(distance, 1.0)
    rows, columns = grid((surface.height.shape[0], surface.height.shape[1]))
    angle = rng.uniform(0, 2 * np.pi)
    across = np.float32(np.cos(angle)) * (columns - centre[1]) + np.float32(np.sin(angle)) * (rows - centre[0])
    fold = np.float32(size * rng.uniform(-0.12, 0.12)) + 0.05 * size * clouds(across.shape, rng, max(4.0, 0.3 * size))
    flap = cover * soft_step(fold - across, 1.5)
    raised = np.clip((across - fold) / (0.3 * size), 0, 1)
    curl = np.sqrt(raised * (2 - raised)) * rng.uniform(0.1, 0.25) * size + 1
    bare = surface.albedo.mean((0, 1)) * lighter_or_darker(rng, 0.5)
    under = np.clip(bare + rng.normal(0, 0.04, 3)[: len(bare)], 0.01, 1).astype(np.float32)
    stripped, mask = change(surface, cover, depth=-0.8 * cover, paint=under, gloss=0.1)
    lifted, _ = change(stripped, flap, depth=curl * flap, paint=surface.albedo * rng.uniform(0.75, 1.15))
    return lifted, mask
