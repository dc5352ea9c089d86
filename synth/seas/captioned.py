"""Captioned procedural pictures that the bundled base learns from: a material, often with one mark, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth.sources.procedural.marks import MARKS
from synth.sources.procedural.materials import COLOURS, MATERIALS, coloured, on_background
from synth.sources.procedural.shade import Surface, light, photograph

SIZES = {"tiny": (0.08, 0.16), "small": (0.16, 0.3), "large": (0.3, 0.55), "huge": (0.55, 0.9)}
"""Extent of a mark as a share of the picture's side."""

MARKED_SHARE = 0.75
GREY_SHARE = 0.45


@dataclass(frozen=True, slots=True)
class Captioned:
    """image uint8 (H, W, 3), mask bool (H, W) of the mark, caption in the words of `vocabulary()`."""

    image: np.ndarray
    mask: np.ndarray
    caption: str


def vocabulary() -> list[str]:
    """Every word that a caption can hold."""
    phrases = [*COLOURS, *MATERIALS, *MARKS, *SIZES, "a photo of good part with on edge defect object surface"]
    return sorted({word for phrase in phrases for word in phrase.split()})


def make_captioned(index: int, side: int, seed: int = 0) -> Captioned:
    """Picture number `index`, side x side px; depends on (seed, index, side) alone."""
    rng = np.random.default_rng((seed, index))
    shape = (side, side)
    material = list(MATERIALS)[rng.integers(len(MATERIALS))]
    grey = rng.random() < GREY_SHARE
    colour = ("white", "grey", "dark")[rng.integers(3)] if grey else list(COLOURS)[rng.integers(len(COLOURS))]
    surface = coloured(MATERIALS[material](shape, rng), colour, rng)
    words = f"a {colour} {material}"
    region = np.ones(shape, dtype=bool)
    if rng.random() < 0.3:
        surface, region = on_background(surface, rng)
        words += " edge"
    mask = np.zeros(shape, dtype=bool)
    if rng.random() < MARKED_SHARE and region.any():
        kind, size = list(MARKS)[rng.integers(len(MARKS))], list(SIZES)[rng.integers(len(SIZES))]
        spots = np.argwhere(region[side // 8 : -side // 8, side // 8 : -side // 8]) + side // 8
        if len(spots):
            centre = spots[rng.integers(len(spots))].astype(float)
            marked, mask = MARKS[kind](surface, centre, side * rng.uniform(*SIZES[size]), rng)
            surface, mask = _within(region, marked, surface), mask & region
            words += f" with {size} {kind}"
    picture = photograph(light(surface, rng), rng)
    if grey:
        picture = np.repeat(picture.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    return Captioned(picture, mask, words)


def _within(region: np.ndarray, marked: Surface, before: Surface) -> Surface:
    """The mark only where the part is."""
    return Surface(
        np.where(region, marked.height, before.height),
        np.where(region[..., None], marked.albedo, before.albedo),
        np.where(region, marked.gloss, before.gloss),
    )
