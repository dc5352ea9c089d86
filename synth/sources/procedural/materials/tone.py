"""From relief and relative tone to a Surface, and from tone to a colour."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.shade import Surface

COLOURS: dict[str, tuple[float, float, float]] = {
    "white": (0.85, 0.85, 0.83),
    "grey": (0.5, 0.5, 0.5),
    "dark": (0.16, 0.16, 0.17),
    "red": (0.65, 0.18, 0.15),
    "orange": (0.8, 0.45, 0.15),
    "yellow": (0.8, 0.7, 0.25),
    "green": (0.2, 0.5, 0.25),
    "blue": (0.18, 0.3, 0.6),
    "brown": (0.45, 0.3, 0.18),
    "beige": (0.75, 0.66, 0.5),
    "black": (0.08, 0.08, 0.085),
    "silver": (0.66, 0.67, 0.69),
    "copper": (0.6, 0.36, 0.24),
    "purple": (0.4, 0.22, 0.5),
    "pink": (0.82, 0.5, 0.56),
}


def toned(
    height: np.ndarray, tone: np.ndarray | float, gloss: np.ndarray | float, shine: float = 40.0, tint: object = 0.0
) -> Surface:
    """tone (H, W) is relative to mid grey, tint (H, W, 3) is added to it; `coloured` turns both into a colour."""
    base = np.broadcast_to(0.5 + np.asarray(tone, dtype=np.float32), height.shape)[..., None]
    albedo = np.repeat(base, 3, axis=2) + np.asarray(tint, dtype=np.float32)
    glossy = np.broadcast_to(np.asarray(gloss, dtype=np.float32), height.shape)
    return Surface(height.astype(np.float32), albedo.astype(np.float32), glossy, float(shine))


def coloured(surface: Surface, colour: str, rng: np.random.Generator) -> Surface:
    """The surface in this colour, its own tone variation kept; each call varies the colour a little."""
    base = np.asarray(COLOURS[colour]) * np.exp(rng.normal(0, 0.12)) + rng.normal(0, 0.015, 3)
    albedo = np.clip(np.clip(base, 0.02, 1).astype(np.float32) * (0.5 + surface.albedo), 0.01, 1.0)
    return Surface(surface.height, albedo, surface.gloss, surface.shine)
