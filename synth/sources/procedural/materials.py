"""Material families: `MATERIALS[name](shape, rng)` gives a defect-free Surface. Statistics follow how each is made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synth.sources.procedural.noise import Shape, band_field, blob_distance, grid, random_field, soft_step
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
}


def brushed(shape: Shape, rng: np.random.Generator) -> Surface:
    """Brushed or ground metal: long fine parallel grooves."""
    angle = rng.uniform(0, np.pi)
    grooves = random_field(shape, rng, slope=rng.uniform(0.6, 1.4), stretch=rng.uniform(4, 12), angle=angle)
    return _surface(grooves * rng.uniform(0.03, 0.12), grooves * rng.uniform(0.02, 0.1), rng.uniform(0.3, 0.9))


def cast(shape: Shape, rng: np.random.Generator) -> Surface:
    """Cast, sintered or sand-blasted metal: isotropic grain over slow unevenness."""
    grain = band_field(shape, rng, rng.uniform(0.7, 2.5))
    slow = random_field(shape, rng, slope=3)
    return _surface(0.2 * grain * rng.uniform(0.5, 2), 0.03 * grain + 0.05 * slow, rng.uniform(0.05, 0.3))


def plastic(shape: Shape, rng: np.random.Generator) -> Surface:
    """Moulded plastic: nearly flat, faint orange peel, one broad highlight."""
    peel = band_field(shape, rng, rng.uniform(2, 6))
    return _surface(peel * rng.uniform(0.02, 0.25), 0.01 * peel, rng.uniform(0.2, 0.8))


def fabric(shape: Shape, rng: np.random.Generator) -> Surface:
    """Woven cloth: warp over weft, threads of uneven thickness."""
    rows, columns = grid(shape)
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(4, 14)
    sway = 0.6 * band_field(shape, rng, 6)
    u = (np.cos(angle) * columns + np.sin(angle) * rows + sway) * np.pi / pitch
    v = (np.cos(angle) * rows - np.sin(angle) * columns + sway) * np.pi / pitch
    over = np.sin(u) * np.sin(v) > 0
    thread = np.where(over, np.abs(np.sin(u)), np.abs(np.sin(v))) ** 0.7
    fibre = band_field(shape, rng, 0.7)
    return _surface(pitch * 0.12 * thread, 0.25 * (thread - 0.6) + 0.04 * fibre, 0.02)


def wood(shape: Shape, rng: np.random.Generator) -> Surface:
    """Planed wood: growth rings bent by slow noise, fine pores along the grain."""
    rows, columns = grid(shape)
    angle = rng.uniform(0, np.pi)
    across = np.cos(angle) * rows - np.sin(angle) * columns
    bend = random_field(shape, rng, slope=3.5, stretch=2.5, angle=angle) * rng.uniform(4, 12)
    ring = np.sin((across + bend) * 2 * np.pi / rng.uniform(10, 35))
    pores = random_field(shape, rng, slope=0.8, stretch=8, angle=angle)
    return _surface(0.06 * pores, 0.12 * ring + 0.05 * pores, rng.uniform(0.0, 0.2))


def ceramic(shape: Shape, rng: np.random.Generator) -> Surface:
    """Glazed or fired ceramic: smooth clouds with a few fine specks."""
    clouds = random_field(shape, rng, slope=3)
    specks = np.clip(band_field(shape, rng, 0.8) - 2.6, 0, None)
    return _surface(0.15 * clouds, 0.04 * clouds - 0.25 * specks * (rng.random() < 0.5), rng.uniform(0.1, 0.9))


def printed(shape: Shape, rng: np.random.Generator) -> Surface:
    """A printed sheet: bars, rings or dots of ink on a plain ground."""
    rows, columns = grid(shape)
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(14, 60)
    u = np.cos(angle) * columns + np.sin(angle) * rows + rng.uniform(0, pitch)
    v = np.cos(angle) * rows - np.sin(angle) * columns + rng.uniform(0, pitch)
    du, dv = np.abs(u % pitch - pitch / 2), np.abs(v % pitch - pitch / 2)
    fill = pitch * rng.uniform(0.15, 0.35)
    distance = (du, np.hypot(du, dv), np.maximum(du, dv), np.abs(np.hypot(u, v) % pitch - pitch / 2))[rng.integers(4)]
    ink = soft_step(distance - fill, 1.5)
    paper = band_field(shape, rng, 1.0)
    return _surface(0.02 * paper, rng.uniform(-0.5, 0.3) * ink + 0.01 * paper, rng.uniform(0, 0.2))


def rubber(shape: Shape, rng: np.random.Generator) -> Surface:
    """Rubber or foam: matt, with fine closed pores."""
    pores = -np.clip(band_field(shape, rng, rng.uniform(0.8, 2.0)) - 1.0, 0, None)
    return _surface(0.5 * pores, 0.1 * pores, rng.uniform(0, 0.1))


MATERIALS: dict[str, Callable[[Shape, np.random.Generator], Surface]] = {
    "brushed metal": brushed,
    "cast metal": cast,
    "plastic": plastic,
    "fabric": fabric,
    "wood": wood,
    "ceramic": ceramic,
    "printed sheet": printed,
    "rubber": rubber,
}


def coloured(surface: Surface, colour: str, rng: np.random.Generator) -> Surface:
    """The surface in this colour, its own tone variation kept; each call varies the colour a little."""
    base = np.asarray(COLOURS[colour]) * np.exp(rng.normal(0, 0.12)) + rng.normal(0, 0.02, 3)
    albedo = np.clip(base * (1 + surface.albedo - 0.5) * 1.0, 0.01, 1.0)
    return Surface(surface.height, albedo, surface.gloss)


def on_background(surface: Surface, rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """The material as a part with an edge in view, on a plain background; also the part's bool (H, W) region."""
    shape = surface.height.shape
    size = min(shape)
    centre = np.asarray(shape) * rng.uniform(0.2, 0.8, 2)
    kind = rng.integers(3)
    if kind == 0:  # a straight edge
        rows, columns = grid(shape)
        angle = rng.uniform(0, 2 * np.pi)
        distance = np.cos(angle) * (columns - centre[1]) + np.sin(angle) * (rows - centre[0])
    else:
        radii = (size * rng.uniform(0.3, 0.9), size * rng.uniform(0.3, 0.9))
        distance = blob_distance(centre, radii, rng.uniform(0, np.pi), 0.0, shape, rng)
        if kind == 2:  # a hole in the part
            distance = -distance - size * 0.15
    cover = soft_step(distance, rng.uniform(1, 4))
    plain = rng.choice([0.04, 0.1, 0.5, 0.9]) * np.exp(rng.normal(0, 0.2))
    albedo = surface.albedo * cover[..., None] + np.clip(plain, 0, 1) * (1 - cover[..., None])
    rounded = surface.height + rng.uniform(0, 6) * np.clip(-distance / 6, 0, 1)
    return Surface(np.where(cover > 0.5, rounded, 0), albedo, surface.gloss * cover), cover > 0.5


def _surface(height: np.ndarray, tone: np.ndarray, gloss: float) -> Surface:
    """tone is relative to mid grey; `coloured` turns it into a colour."""
    albedo = np.repeat((0.5 + tone)[..., None], 3, axis=2).astype(np.float32)
    return Surface(height.astype(np.float32), albedo, np.full(height.shape, gloss, dtype=np.float32))
