"""What all marks share: how a mark changes a surface, and the strokes and patches that marks are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synth.sources.procedural.noise import blob, clouds, near_curve, soft_step, wander
from synth.sources.procedural.shade import Surface

Marked = tuple[Surface, np.ndarray]
"""The marked surface, and the mask bool (H, W)."""

Mark = Callable[[Surface, np.ndarray, float, np.random.Generator], Marked]


def change(
    surface: Surface,
    cover: np.ndarray,
    depth: np.ndarray | float = 0.0,
    tone: np.ndarray | float = 1.0,
    paint: np.ndarray | None = None,
    gloss: float | None = None,
    region: np.ndarray | None = None,
) -> Marked:
    """Apply a mark under cover (H, W) in [0, 1]: height += depth, albedo *= tone or -> paint, gloss -> gloss.

    tone: a number, (H, W) or (H, W, 3). The mask is where `region` (by default cover) exceeds one half."""
    weight = cover[..., None]
    factor = np.asarray(tone, dtype=np.float32)
    target = surface.albedo * (factor[..., None] if factor.ndim == 2 else factor) if paint is None else paint
    albedo = np.clip(surface.albedo + weight * (target - surface.albedo), 0.005, 1.0)
    glossy = surface.gloss if gloss is None else surface.gloss + cover * np.float32(gloss - surface.gloss.max())
    height = surface.height + np.asarray(depth, dtype=np.float32)
    mask = (cover if region is None else region) > 0.5
    return Surface(height, albedo.astype(np.float32), np.clip(glossy, 0, 1), surface.shine), mask


def tail(centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Where a line of this length starts so that its middle is at `centre`, and its heading; often upright."""
    heading = rng.uniform(0, 2 * np.pi) if rng.random() < 0.75 else np.pi / 2 + rng.normal(0, 0.1)
    return centre - 0.5 * size * np.array([np.sin(heading), np.cos(heading)]), heading


def stroke(
    surface: Surface, centre: np.ndarray, size: float, bend: float, width: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cover of a curve of half-width `width` px that thins out at its ends; distance to it and place along it."""
    start, heading = tail(centre, size, rng)
    points = wander(start, heading, size, bend=bend, step=4, rng=rng)
    distance, along = near_curve(points, surface.height.shape, width + 6)
    taper = np.clip(4 * along + 0.4, 0, 1) * np.clip(4 * (1 - along) + 0.4, 0, 1)
    return soft_step(distance - width * taper, 1.2), distance, along


def patch(
    surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator, rough: float, ragged: float = 0.0
) -> np.ndarray:
    """Signed distance of an uneven patch `size` px long. rough: bumps of its rim; ragged: fine noise of it, of size."""
    shape = (surface.height.shape[0], surface.height.shape[1])
    radii = (size * 0.5, size * rng.uniform(0.25, 0.5))
    distance = blob(centre, radii, rng.uniform(0, np.pi), 0.6 * rough, shape, rng)
    if ragged:
        # Fine noise only near the rim, or islands would appear far away.
        noise = clouds(shape, rng, max(2.0, 0.1 * size)) + 0.6 * clouds(shape, rng, 2.0)
        distance = distance + np.float32(1.5 * ragged * size) * np.clip(noise, -2, 2)
    return distance


def spots(
    surface: Surface,
    centre: np.ndarray,
    size: float,
    count: int,
    radius: tuple[float, float],
    rng: np.random.Generator,
    rough: float = 0.12,
) -> np.ndarray:
    """Signed distance of `count` small blobs scattered over `size` px; radius: least and largest, in px."""
    shape = (surface.height.shape[0], surface.height.shape[1])
    distance = np.full(shape, 1e3, dtype=np.float32)
    for number in range(count):
        middle = centre + (rng.normal(0, size * 0.25, 2) if number else 0)
        r = float(np.exp(rng.uniform(np.log(radius[0]), np.log(radius[1]))))
        reach = int(2 * r + 5)
        top, left = (int(np.clip(round(m) - reach, 0, length)) for m, length in zip(middle, shape, strict=True))
        bottom, right = (int(np.clip(round(m) + reach, 0, length)) for m, length in zip(middle, shape, strict=True))
        if bottom > top and right > left:
            window = np.s_[top:bottom, left:right]
            radii, angle = (r, r * rng.uniform(0.6, 1.0)), rng.uniform(0, np.pi)
            own = blob(middle - (top, left), radii, angle, rough, (bottom - top, right - left), rng)
            distance[window] = np.minimum(distance[window], own)
    return distance


def ink(surface: Surface, rng: np.random.Generator, spread: float = 0.08) -> np.ndarray:
    """A random foreign colour (3,), at least 0.2 lighter or darker than the surface on average."""
    level = float(surface.albedo.mean())
    darker, lighter = max(level - 0.2, 0.0), max(0.8 - level, 0.0)
    place = rng.uniform(0, darker + lighter)
    tone = 0.02 + place if place < darker else level + 0.2 + place - darker
    return np.clip(tone + rng.normal(0, spread, 3), 0.01, 1).astype(np.float32)


def lighter_or_darker(rng: np.random.Generator, darker: float = 0.6) -> float:
    """A factor on albedo, from barely visible to strong; `darker` is the probability of less than 1."""
    return rng.uniform(0.3, 0.8) if rng.random() < darker else rng.uniform(1.2, 2.0)
