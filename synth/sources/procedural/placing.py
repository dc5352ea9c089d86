"""Where a defect goes and how it mixes with the part: places, strokes and blends shared by all causes.

Lengths on the image are in px; `short(part)` is the image's short side, so that a defect keeps its size relative to the
part whatever the resolution. Heights are metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from synth.sources.procedural.noise import band_field, blob_distance, curve_distance, soft_step, wander
from synth.sources.procedural.part import Part

Defect = Callable[[Part, np.random.Generator, float], Part]
"""defect(part, rng, strength) -> the part with the defect; strength 1 is usual, more is deeper and of more contrast.
Nothing else of the part changes, and its arrays are never written to."""


def short(part: Part) -> int:
    """Pixels along the image's short side."""
    return min(part.height.shape)


def solid(part: Part) -> np.ndarray:
    """How much of each pixel is material, float32 (H, W) in [0, 1]."""
    return np.clip(part.inside / part.pitch + 0.5, 0, 1)


def spot_on(part: Part, rng: np.random.Generator, margin: float) -> np.ndarray:
    """A random place (row, column) on the part, at least `margin` px from its edges where it is that wide, and seen."""
    rows, columns = part.height.shape
    border = int(min(margin, 0.2 * short(part)))
    seen = part.inside[border : rows - border, border : columns - border]
    reach = min(margin * part.pitch, 0.9 * float(seen.max()))
    places = np.argwhere(seen >= reach)
    return places[rng.integers(len(places))] + border


def spot_on_edge(part: Part, rng: np.random.Generator) -> np.ndarray:
    """A random place (row, column) on an outline of the part: its rim or a hole."""
    places = np.argwhere(np.abs(part.inside) < part.pitch)
    return places[rng.integers(len(places))].astype(float)


def blob(part: Part, centre: np.ndarray, radius: float, rng: np.random.Generator, rough: float) -> np.ndarray:
    """Distance field (H, W) in px of an uneven spot, negative inside; longer than wide by up to 1.7."""
    slim = rng.uniform(0.6, 1.0)
    return blob_distance(centre, (radius, radius * slim), rng.uniform(0, np.pi), rough, part.height.shape, rng)


def ragged(distance: np.ndarray, rng: np.random.Generator, grain: float, amount: float) -> np.ndarray:
    """The field with an outline that wanders by about `amount` px, in steps of about `grain` px and half of that."""
    coarse = band_field(distance.shape, rng, max(grain, 1.0))
    return distance + amount * (coarse + 0.5 * band_field(distance.shape, rng, max(0.5 * grain, 0.7)))


def path(part: Part, rng: np.random.Generator, length: float, bend: float) -> np.ndarray:
    """A curve (n, 2) of (row, column) points 3 px apart, about `length` px long, through a random place on the part."""
    heading = rng.uniform(0, 2 * np.pi)
    start = spot_on(part, rng, 0.05 * short(part)) - 0.5 * length * np.array([np.sin(heading), np.cos(heading)])
    return wander(start, heading, length, bend, 3.0, rng)


def fracture(start: np.ndarray, heading: float, length: float, scale: float, rng: np.random.Generator) -> np.ndarray:
    """The course of a crack: (n, 2) points (row, column) about 4 * scale px apart that zigzag about a slow bend."""
    n = max(4, round(length / (4 * scale)))
    headings = heading + np.cumsum(rng.normal(0, 0.07, n)) + rng.normal(0, 0.5, n)
    steps = 4 * scale * rng.uniform(0.5, 1.5, n)
    moves = steps[:, None] * np.stack([np.sin(headings), np.cos(headings)], axis=1)
    return start + np.vstack([np.zeros((1, 2)), np.cumsum(moves, axis=0)])


def stroke(points: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Distance (H, W) in px to a curve to sub-pixel accuracy, and the position along it, 0..1, of the nearest spot."""
    _, along = curve_distance(points, shape)
    at = along * (len(points) - 1)
    nodes = np.arange(len(points))
    rows, columns = np.indices(shape, sparse=True)
    nearest_row, nearest_column = (np.interp(at, nodes, points[:, axis]) for axis in (0, 1))
    return np.hypot(rows - nearest_row, columns - nearest_column).astype(np.float32), along


def tapered(distance: np.ndarray, along: np.ndarray, width: float) -> np.ndarray:
    """Cover (H, W) in [0, 1] of a stroke `width` px to either side, which thins out towards both ends."""
    taper = np.clip(5 * np.minimum(along, 1 - along) + 0.35, 0, 1)
    return soft_step(distance - width * taper, 1.2) * np.clip(taper + 0.3, 0, 1)


def mixed(
    part: Part,
    cover: np.ndarray,
    height: np.ndarray | None = None,
    albedo: np.ndarray | None = None,
    gloss: np.ndarray | float | None = None,
    roughness: np.ndarray | float | None = None,
) -> Part:
    """The part with the given maps under cover (H, W) in [0, 1]; maps that are not given stay as they are."""

    def blend(old: np.ndarray, new: np.ndarray | float, weight: np.ndarray) -> np.ndarray:
        return (old + weight * (new - old)).astype(np.float32)

    return replace(
        part,
        height=part.height if height is None else blend(part.height, height, cover),
        albedo=part.albedo if albedo is None else np.clip(blend(part.albedo, albedo, cover[..., None]), 0.004, 0.95),
        gloss=part.gloss if gloss is None else np.clip(blend(part.gloss, gloss, cover), 0, 0.6),
        roughness=part.roughness if roughness is None else np.clip(blend(part.roughness, roughness, cover), 0.06, 1),
    )
