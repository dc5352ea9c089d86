"""Mark families: `MARKS[name](surface, centre, size, rng)` gives the marked Surface and the exact mask.

A mark's look follows from its cause: material removed (scratch, crack, pit, chip), added (thread, smear), deformed
(dent) or discoloured (stain). centre is (row, column), size the extent, both in px. The mask is True where height,
albedo or gloss were changed by the mark beyond half of its strength: exact, not measured from pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synth.sources.procedural.noise import band_field, blob_distance, curve_distance, soft_step, wander
from synth.sources.procedural.shade import Surface

Mark = Callable[[Surface, np.ndarray, float, np.random.Generator], tuple[Surface, np.ndarray]]


def scratch(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """A tool dragged over the surface: a long even groove with a bright or dark bottom and a slight burr."""
    cover, distance = _stroke(surface, centre, size, bend=0.01, width=rng.uniform(0.8, 0.02 * size + 2.2), rng=rng)
    burr = np.exp(-((distance - 2.5) ** 2)) * 0.4
    tone = rng.uniform(1.3, 2.0) if rng.random() < 0.6 else rng.uniform(0.3, 0.65)
    return _change(surface, cover, depth=burr - rng.uniform(0.5, 2) * cover, tone=tone)


def crack(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """A fracture: thin, jagged, dark, tapering, sometimes branching."""
    shape = surface.height.shape
    start, heading = _start(centre, size, rng)
    trunk = wander(start, heading, size, bend=0.35, step=3, rng=rng)
    width = rng.uniform(0.8, 0.015 * size + 2.0)
    cover = np.zeros(shape, dtype=np.float32)
    for branch in range(1 + rng.integers(3)):
        points = trunk
        if branch:
            joint = trunk[rng.integers(1, len(trunk))]
            side = heading + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
            points = wander(joint, side, size * rng.uniform(0.2, 0.5), bend=0.35, step=3, rng=rng)
        distance, along = curve_distance(points, shape)
        cover = np.maximum(cover, soft_step(distance - width * (1.1 - 0.8 * along) / (1 + branch / 2), 1.2))
    return _change(surface, cover, depth=-rng.uniform(1, 4) * cover, tone=rng.uniform(0.1, 0.45), gloss=0.2)


def pit(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """A small deep hole such as a blowhole or a corrosion pit, sometimes in a group."""
    cover = np.zeros(surface.height.shape, dtype=np.float32)
    count = 1 if rng.random() < 0.6 else int(rng.integers(2, 6))
    for _ in range(count):
        radius = size * (0.5 if count == 1 else rng.uniform(0.1, 0.22))
        away = np.zeros(2) if count == 1 else rng.normal(0, size * 0.3, 2)
        radii = (radius, radius * rng.uniform(0.6, 1.0))
        distance = blob_distance(centre + away, radii, rng.uniform(0, np.pi), 0.1, surface.height.shape, rng)
        cover = np.maximum(cover, soft_step(distance, 2.0))
    return _change(surface, cover, depth=-0.35 * size * cover, tone=rng.uniform(0.1, 0.6), gloss=0.1)


def stain(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """A liquid that dried: discoloured, no relief, uneven inside, often with a darker rim."""
    shape = surface.height.shape
    distance = _blob(surface, centre, size, rng, rough=0.25) + 0.04 * size * band_field(shape, rng, 3)
    cover = soft_step(distance, rng.uniform(2, 6))
    rim = rng.uniform(0, 0.3) * np.exp(-((distance / 3) ** 2))
    blotches = 0.1 * band_field(shape, rng, 0.1 * size + 1)
    tone = (rng.uniform(0.45, 0.8) if rng.random() < 0.75 else rng.uniform(1.3, 1.7)) + blotches - rim
    tint = np.clip(rng.normal(1, 0.2, 3), 0.5, 1.3)
    return _change(surface, cover, tone=tone[..., None] * tint)


def chip(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """Material broken away: a sharp ragged outline, a rough facetted bottom of another tone."""
    shape = surface.height.shape
    distance = _blob(surface, centre, size, rng, rough=0.4) + 0.05 * size * band_field(shape, rng, 2)
    cover = soft_step(distance, 1.5)
    facets = band_field(shape, rng, rng.uniform(1.5, 4))
    depth = cover * (facets * 1.2 - rng.uniform(2, 6))
    tone = rng.uniform(0.35, 0.8) if rng.random() < 0.6 else rng.uniform(1.3, 1.9)
    return _change(surface, cover, depth=depth, tone=tone + 0.12 * facets, gloss=0.1)


def dent(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """Pressed in without loss: colour kept, seen only by its shading."""
    distance = _blob(surface, centre, size, rng, rough=0.08)
    bowl = np.clip(-distance / (0.5 * size), 0, 1)
    depth = -size * rng.uniform(0.15, 0.4) * (1 - (1 - bowl) ** 2)
    cover = soft_step(distance, 1.0)
    return _change(surface, cover, depth=depth * (rng.random() < 0.8 or -1), tone=1.0)


def thread(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """A fibre or hair lying on the surface: thin, curled, of another colour."""
    cover, _ = _stroke(surface, centre, size * 1.5, bend=0.12, width=rng.uniform(0.7, 1.8), rng=rng)
    fibre = rng.uniform(0.02, 0.95) + rng.normal(0, 0.08, 3)
    return _change(surface, cover, depth=1.5 * cover, paint=np.clip(fibre, 0, 1))


def smear(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """Grease, glue or paint wiped across: a broad streaked band that fades towards its end."""
    cover, _ = _stroke(surface, centre, size, bend=0.04, width=size * rng.uniform(0.08, 0.2), rng=rng)
    streaks = np.clip(0.8 + 0.3 * band_field(cover.shape, rng, 2), 0, 1)
    ink = np.clip(rng.uniform(0.03, 0.95) + rng.normal(0, 0.08, 3), 0, 1)
    return _change(surface, cover * streaks, depth=0.5 * cover, paint=ink, region=cover)


MARKS: dict[str, Mark] = {
    "scratch": scratch,
    "crack": crack,
    "pit": pit,
    "stain": stain,
    "chip": chip,
    "dent": dent,
    "thread": thread,
    "smear": smear,
}


def _change(
    surface: Surface,
    cover: np.ndarray,
    depth: np.ndarray | float = 0.0,
    tone: np.ndarray | float = 1.0,
    paint: np.ndarray | None = None,
    gloss: float = 1.0,
    region: np.ndarray | None = None,
) -> tuple[Surface, np.ndarray]:
    """Apply a mark under cover (H, W) in [0, 1]: height += depth, albedo *= tone or -> paint, gloss *= gloss."""
    weight = cover[..., None]
    factor = np.asarray(tone)[..., None] if np.ndim(tone) == 2 else tone
    target = surface.albedo * factor if paint is None else paint
    albedo = np.clip(surface.albedo * (1 - weight) + target * weight, 0.005, 1.0)
    marked = Surface(surface.height + depth, albedo, surface.gloss * (1 - cover * (1 - gloss)))
    return marked, (cover if region is None else region) > 0.5


def _start(centre: np.ndarray, size: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    heading = rng.uniform(0, 2 * np.pi)
    return centre - 0.5 * size * np.array([np.sin(heading), np.cos(heading)]), heading


def _stroke(
    surface: Surface, centre: np.ndarray, size: float, bend: float, width: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cover of a curve through the middle that thins out at its ends, and the distance to it in px."""
    start, heading = _start(centre, size, rng)
    points = wander(start, heading, size, bend=bend, step=4, rng=rng)
    distance, along = curve_distance(points, surface.height.shape)
    taper = np.clip(4 * along + 0.4, 0, 1) * np.clip(4 * (1 - along) + 0.4, 0, 1)
    return soft_step(distance - width * taper, 1.2) * np.clip(taper + 0.3, 0, 1), distance


def _blob(surface: Surface, centre: np.ndarray, size: float, rng: np.random.Generator, rough: float) -> np.ndarray:
    radii = (size * 0.5, size * rng.uniform(0.25, 0.5))
    return blob_distance(centre, radii, rng.uniform(0, np.pi), rough, surface.height.shape, rng)
