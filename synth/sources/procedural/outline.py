"""Products in view: a material given a large form, or cut to a product's outline on a background."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from synth.sources.procedural.noise import Shape, band_field, clouds, grid, soft_step
from synth.sources.procedural.shade import Surface

Outline = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]
"""(y, x, half, rng) -> signed distance in px, negative inside; y, x (H, W) px from the middle, half its half size."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A surface in view and where the product is in it, bool (H, W); elsewhere `backdrop` shows."""

    surface: Surface
    region: np.ndarray
    backdrop: Surface


def _disc(y: np.ndarray, x: np.ndarray, half: float, rng: np.random.Generator) -> np.ndarray:
    return np.hypot(x, y) - half


def _ring(y: np.ndarray, x: np.ndarray, half: float, rng: np.random.Generator) -> np.ndarray:
    radius, bore = np.hypot(x, y), half * rng.uniform(0.3, 0.65)
    return np.maximum(radius - half, bore - radius)


def _box(y: np.ndarray, x: np.ndarray, half_y: float, half_x: float, corner: float) -> np.ndarray:
    over_y, over_x = np.abs(y) - (half_y - corner), np.abs(x) - (half_x - corner)
    outside = np.hypot(np.maximum(over_y, 0), np.maximum(over_x, 0))
    return outside + np.minimum(np.maximum(over_y, over_x), 0) - corner


def _plate(y: np.ndarray, x: np.ndarray, half: float, rng: np.random.Generator) -> np.ndarray:
    wide = half * rng.uniform(0.6, 1.0)
    plate = _box(y, x, half, wide, rng.uniform(0, 0.3) * wide)
    if rng.random() < 0.4:
        bore = np.hypot(np.abs(x) - 0.65 * wide, np.abs(y) - 0.65 * half) - 0.14 * wide
        plate = np.maximum(plate, -bore)
    return plate


def _bar(y: np.ndarray, x: np.ndarray, half: float, rng: np.random.Generator) -> np.ndarray:
    return _box(y, x, half * rng.uniform(0.15, 0.35), 1.2 * half, 1.0)


def _capsule(y: np.ndarray, x: np.ndarray, half: float, rng: np.random.Generator) -> np.ndarray:
    thick = half * rng.uniform(0.3, 0.5)
    return _box(y, x, thick, 1.1 * half, thick)


def _nut(y: np.ndarray, x: np.ndarray, half: float, rng: np.random.Generator) -> np.ndarray:
    flats = [np.abs(np.cos(a) * x + np.sin(a) * y) for a in (0, np.pi / 3, 2 * np.pi / 3)]
    return np.maximum(np.maximum.reduce(flats) - 0.88 * half, half * rng.uniform(0.35, 0.5) - np.hypot(x, y))


def _gear(y: np.ndarray, x: np.ndarray, half: float, rng: np.random.Generator) -> np.ndarray:
    radius = np.hypot(x, y)
    teeth = np.clip(2.2 * np.sin(np.arctan2(y, x) * rng.integers(8, 22)), -1, 1)
    return np.maximum(radius - half * (0.9 + 0.09 * teeth), half * rng.uniform(0.12, 0.4) - radius)


def _bracket(y: np.ndarray, x: np.ndarray, half: float, rng: np.random.Generator) -> np.ndarray:
    width = half * rng.uniform(0.25, 0.4)
    upright = _box(y, x + half - width, half, width, 2.0)
    return np.minimum(upright, _box(y - half + width, x, width, half, 2.0))


def _screw(y: np.ndarray, x: np.ndarray, half: float, rng: np.random.Generator) -> np.ndarray:
    shank, pitch = half * rng.uniform(0.15, 0.25), half * rng.uniform(0.09, 0.16)
    thread = 0.25 * shank * np.sin(x * (2 * np.pi / pitch)) * (x > -0.3 * half)
    head = _box(y, x + 0.9 * half, shank * rng.uniform(1.7, 2.3), 0.25 * half, 3.0)
    taper = np.clip((x - 0.85 * half) / (0.4 * half), 0, 1)
    return np.minimum(head, _box(y + thread, x - 0.2 * half, shank, 1.0 * half, 1.0) + shank * taper)


OUTLINES: dict[str, Outline] = {
    "disc": _disc,
    "ring": _ring,
    "plate": _plate,
    "bar": _bar,
    "capsule": _capsule,
    "nut": _nut,
    "gear": _gear,
    "bracket": _bracket,
    "screw": _screw,
}
BACKGROUNDS = {"black": 0.03, "dark": 0.12, "grey": 0.45, "white": 0.88}


def form(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Height (H, W) in px of what a full-frame surface is part of: flat, tilted, a cylinder, a dome, a wavy sheet."""
    kind = rng.choice(["flat", "cylinder", "dome", "wavy"], p=[0.5, 0.25, 0.1, 0.15])
    rows, columns = grid(shape)
    side = max(shape)
    if kind == "flat":
        return np.zeros(shape, dtype=np.float32)
    if kind == "wavy":
        return clouds(shape, rng, rng.uniform(0.15, 0.4) * side) * np.float32(0.01 * side * rng.uniform(0.5, 2))
    middle = side * rng.normal(0.5, 0.12, 2)
    y, x = rows - np.float32(middle[0]), columns - np.float32(middle[1])
    radius = np.float32(side * rng.uniform(0.5, 1.4))
    away = np.abs(x if rng.random() < 0.75 else y) if kind == "cylinder" else np.hypot(x, y)
    # Beyond its flank a cylinder falls off; the slope is fixed there, as a lens sees no more than the flank.
    inside = np.minimum(away / radius, 0.9)
    return -radius * (1 - np.sqrt(1 - inside**2)) - 2.06 * radius * (away / radius - inside)


def on_background(surface: Surface, name: str, backdrop: str, rng: np.random.Generator) -> Scene:
    """The material as the product `name` (of OUTLINES, or "edge": a border in view) on a plain background.

    The product's rim is bevelled or round, and it dims the background close to it."""
    shape = (surface.height.shape[0], surface.height.shape[1])
    distance = _edge(shape, rng) if name == "edge" else _placed(name, shape, rng)
    cover = soft_step(distance, rng.uniform(0.8, 1.6))[..., None]
    inward = np.maximum(-distance, 0)
    bevel = np.float32(rng.uniform(1.5, 8) if rng.random() < 0.7 else rng.uniform(10, 40))
    part = np.clip(inward / bevel, 0, 1)
    rounded = np.float32(bevel * rng.uniform(0.4, 1.0)) * np.sqrt(part * (2 - part))
    level = np.float32(BACKGROUNDS[backdrop] * np.exp(rng.normal(0, 0.15)))
    table = level * (1 + 0.04 * clouds(shape, rng, 30) + rng.uniform(0, 0.06) * band_field(shape, rng, 0.9))
    contact = 1 - rng.uniform(0, 0.5) * np.exp(-np.maximum(distance, 0) / np.float32(rng.uniform(2, 9)))
    tint = np.exp(rng.normal(0, 0.03, 3)).astype(np.float32)
    ground = np.clip((table * contact)[..., None] * tint, 0, 1)
    flat = np.zeros(shape, dtype=np.float32)
    backdrop_surface = Surface(flat, ground, np.full(shape, rng.choice([0.0, 0.15]), dtype=np.float32), 20.0)
    albedo = surface.albedo * cover + ground * (1 - cover)
    height = (surface.height + rounded + 1) * cover[..., 0]
    part_surface = Surface(height, albedo, surface.gloss * cover[..., 0], surface.shine)
    return Scene(part_surface, distance < 0, backdrop_surface)


def _placed(name: str, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    rows, columns = grid(shape)
    side = min(shape)
    half = side * rng.uniform(0.27, 0.44)
    middle = np.asarray(shape) / 2 + side * rng.normal(0, 0.04, 2)
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, 2 * np.pi)])
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    y, x = rows - np.float32(middle[0]), columns - np.float32(middle[1])
    return OUTLINES[name](cos * y - sin * x, cos * x + sin * y, half, rng).astype(np.float32)


def _edge(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """A straight border, a large round one, or the rim of a large bore, as a close view of a product shows it."""
    rows, columns = grid(shape)
    side = min(shape)
    if rng.random() < 0.6:
        angle = rng.choice([0.0, 0.5, 1.0, 1.5]) * np.pi + rng.normal(0, 0.2)
        across = np.float32(np.cos(angle)) * (columns - shape[1] / 2) + np.float32(np.sin(angle)) * (
            rows - shape[0] / 2
        )
        return across - np.float32(side * rng.uniform(-0.05, 0.42))
    middle = np.asarray(shape) / 2 + side * rng.normal(0, 0.35, 2)
    radius = np.hypot(rows - np.float32(middle[0]), columns - np.float32(middle[1]))
    if rng.random() < 0.6:
        return radius - np.float32(side * rng.uniform(0.5, 0.9))
    return np.float32(side * rng.uniform(0.12, 0.35)) - radius
