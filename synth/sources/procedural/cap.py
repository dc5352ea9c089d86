"""A moulded ABS housing cap on a light grey conveyor: raised rim, ribbed panel, a logo, two screw bosses."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.noise import band_field, random_field, soft_step
from synth.sources.procedural.part import Part, View

HALF = (30e-3, 22e-3)
CORNER, THICKNESS, FILLET = 6e-3, 7e-3, 1.6e-3
RIM_WIDTH, PANEL_DROP = 4.2e-3, 1.6e-3
BOSSES = ((-20.5e-3, 0.0), (20.5e-3, 0.0))


def build(view: View, rng: np.random.Generator) -> Part:
    """One good cap: turned by a few degrees, moved by 1 mm, its pigment, texture and ejector marks its own."""
    x, y = _posed(view, rng)
    inside = -box_distance(x, y, HALF, CORNER).astype(np.float32)
    cover = np.clip(inside / view.pitch + 0.5, 0, 1)
    holes, relief = _features(x, y, inside, view.pitch)
    grain = band_field(view.shape, rng, 0.8)
    spark = band_field(view.shape, rng, 1.6)
    slow = random_field(view.shape, rng, slope=3.5)
    top = THICKNESS + relief + 4e-6 * spark + 3e-5 * slow
    height = (1.5e-3 + (top - 1.5e-3) * np.clip(holes / view.pitch + 0.5, 0, 1)) * cover
    pigment = np.array([0.030, 0.072, 0.140]) * np.exp(rng.normal(0, 0.04) + 0.03 * slow + 0.05 * grain)[..., None]
    belt = np.array([0.34, 0.345, 0.33]) * np.exp(0.05 * grain + 0.06 * _belt(view, rng))[..., None]
    return Part(
        height=height.astype(np.float32),
        albedo=(pigment * cover[..., None] + belt * (1 - cover[..., None])).astype(np.float32),
        gloss=(0.03 + 0.05 * cover * np.exp(0.05 * slow)).astype(np.float32),
        roughness=(0.6 - 0.38 * cover * np.exp(0.03 * spark)).astype(np.float32),
        inside=np.minimum(inside, holes),
        pitch=view.pitch,
    )


def box_distance(x: np.ndarray, y: np.ndarray, half: tuple[float, float], corner: float) -> np.ndarray:
    """Signed distance to a rounded rectangle about the origin, negative inside; same unit as its arguments."""
    dx, dy = np.abs(x) - (half[0] - corner), np.abs(y) - (half[1] - corner)
    return np.hypot(np.clip(dx, 0, None), np.clip(dy, 0, None)) + np.minimum(np.maximum(dx, dy), 0) - corner


def _posed(view: View, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x, y = view.plane()
    turn = rng.normal(0, 0.035)
    x, y = x - rng.normal(0, 0.7e-3), y - rng.normal(0, 0.7e-3)
    return np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x


def _features(x: np.ndarray, y: np.ndarray, inside: np.ndarray, pitch: float) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance to the screw holes (positive on material) and the relief on the cap's top, metres both.

    Steps are never narrower than 3 px: a steeper one would break up into dashes where it runs askew to the pixels."""
    step = max(1.0e-3, 3 * pitch)
    edge = np.clip(inside, 0, FILLET)
    relief = np.sqrt(FILLET**2 - (FILLET - edge) ** 2) - FILLET
    panel = box_distance(x, y, (HALF[0] - RIM_WIDTH, HALF[1] - RIM_WIDTH), CORNER - 2e-3)
    drop = PANEL_DROP * soft_step(panel, step)
    boss = np.min([np.hypot(x - bx, y - by) for bx, by in BOSSES], axis=0)
    relief = relief - drop + PANEL_DROP * soft_step(boss - 3.6e-3, step)
    for offset, length in ((7.2e-3, 17e-3), (11.0e-3, 17e-3), (14.8e-3, 14e-3)):
        rib = box_distance(x, np.abs(y) - offset, (length, 0.8e-3), 0.7e-3)
        relief = relief + 1.1e-3 * soft_step(rib, step)
    return (boss - 1.7e-3).astype(np.float32), relief + 0.6e-3 * _logo(x, y, step)


def _logo(x: np.ndarray, y: np.ndarray, step: float) -> np.ndarray:
    """A raised mark in the middle: a ring cut by a slanted bar, and two strokes beside it; 0..1."""
    ring = np.abs(np.hypot(x, y) - 3.6e-3) - 0.6e-3
    slant = np.abs(0.8 * x + 0.6 * y) - 0.55e-3
    bar = np.maximum(slant, np.hypot(x, y) - 3.2e-3)
    strokes = box_distance(np.abs(x) - 8.8e-3 + 0.3 * y, y, (0.7e-3, 2.6e-3), 0.3e-3)
    return soft_step(np.minimum(np.minimum(ring, bar), strokes), 0.8 * step)


def _belt(view: View, rng: np.random.Generator) -> np.ndarray:
    return random_field(view.shape, rng, slope=1.6, stretch=3.0)
