"""Captioned procedural images that the bundled base learns from: material, product, mark, place and size in words.

Causes come first: a surface of some material, perhaps cut to a product on a background, perhaps with a mark; then
light falls on it and a camera takes it. Captions name what is there; parts of them are left out at random, so that
short prompts and the general words (object, part, defect) mean something too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synth.sources.procedural.camera import photograph
from synth.sources.procedural.marks import MARKS
from synth.sources.procedural.materials import COLOURS, MATERIALS, METALS, WOVEN, coloured
from synth.sources.procedural.outline import BACKGROUNDS, OUTLINES, Scene, form, on_background
from synth.sources.procedural.shade import Surface, light

SIZES = {"tiny": 0.16, "small": 0.3, "large": 0.55, "huge": np.inf}
"""Largest extent of a mark, as a share of the image's side, that a word is used for."""

PLACES = (("upper left", "upper", "upper right"), ("left", "centre", "right"), ("lower left", "lower", "lower right"))

EXTENTS = {
    "blowhole": (0.03, 0.3),
    "droplet": (0.05, 0.35),
    "pit": (0.04, 0.4),
    "hole": (0.06, 0.4),
    "crack": (0.12, 1.0),
    "hairline crack": (0.12, 1.0),
    "scratch": (0.08, 1.0),
    "uneven": (0.3, 1.1),
    "fading": (0.25, 1.0),
    "wrinkle": (0.3, 0.9),
    "thread": (0.2, 0.9),
    "fray": (0.15, 0.6),
    "misprint": (0.2, 0.7),
    "specks": (0.15, 0.9),
    "pores": (0.12, 0.8),
}
"""Range that a mark's extent is drawn from (evenly in its logarithm), where it is not USUAL_EXTENT."""
USUAL_EXTENT = (0.08, 0.75)

ONLY_ON = {"rust": (*METALS, "concrete", "stone"), "spatter": tuple(METALS), "fray": (*WOVEN, "leather", "cardboard")}
"""Materials of marks that exist on some alone; every other mark is drawn on every material."""

GREYS = ("white", "grey", "dark", "black", "silver")
TYPICAL_COLOURS = {
    "wood": ("brown", "beige"),
    "cardboard": ("brown", "beige"),
    "leather": ("brown", "black", "beige", "red"),
    "circuit board": ("green", "blue", "red", "black"),
    "brushed metal": ("silver", "grey", "copper"),
    "turned metal": ("silver", "grey", "copper"),
    "galvanised metal": ("silver", "grey"),
    "ground metal": ("grey", "dark"),
    "rubber": ("black", "dark", "red"),
    "concrete": ("grey", "beige"),
    "stone": ("grey", "black", "beige", "white"),
}

MARKED_SHARE = 0.8
GREY_SHARE = 0.45
TYPICAL_SHARE = 0.6
GROUND_METAL_SHARE = 0.1
"""Ground metal beyond its even share: the plainest look, where a mark's own look is learnt best."""


@dataclass(frozen=True, slots=True)
class Captioned:
    """image uint8 (H, W, 3), mask bool (H, W) of the mark, caption in the words of `vocabulary()`."""

    image: np.ndarray
    mask: np.ndarray
    caption: str


def vocabulary() -> list[str]:
    """Every word that a caption can hold."""
    names = (*COLOURS, *MATERIALS, *MARKS, *SIZES, *OUTLINES, *BACKGROUNDS, *(place for row in PLACES for place in row))
    phrases = [*names, "a photo of good part with on edge defect object surface background"]
    return sorted({word for phrase in phrases for word in phrase.split()})


def make_captioned(index: int, side: int, seed: int = 0) -> Captioned:
    """Image number `index`, side x side px; depends on (seed, index, side) alone."""
    rng = np.random.default_rng((seed, index))
    shape = (side, side)
    material = "ground metal" if rng.random() < GROUND_METAL_SHARE else _one_of(MATERIALS, rng)
    grey = rng.random() < GREY_SHARE
    colour = _colour(material, grey, rng)
    surface = coloured(MATERIALS[material](shape, rng), colour, rng)
    view = rng.choice(["", "edge", _one_of(OUTLINES, rng)], p=[0.5, 0.17, 0.33])
    backdrop = _one_of(BACKGROUNDS, rng)
    scene = on_background(surface, view, backdrop, rng) if view else _full_frame(surface, shape, rng)
    kind = _kind(material, rng)
    surface, mask = _marked(scene, kind, side, rng) if rng.random() < MARKED_SHARE else _unmarked(scene)
    if grey:
        surface = Surface(surface.height, surface.albedo.mean(-1, keepdims=True), surface.gloss, surface.shine)
    words = _object_words(colour, material, str(view), backdrop, bool(mask.any()), rng)
    if mask.any():
        words += _mark_words(kind, mask, scene.region, rng)
    return Captioned(photograph(light(surface, rng), rng), mask, words)


def _colour(material: str, grey: bool, rng: np.random.Generator) -> str:
    typical = TYPICAL_COLOURS.get(material, ())
    if grey:
        typical = tuple(colour for colour in typical if colour in GREYS)
    if typical and rng.random() < TYPICAL_SHARE:
        return _one_of(typical, rng)
    return _one_of(GREYS if grey else COLOURS, rng)


def _kind(material: str, rng: np.random.Generator) -> str:
    return _one_of([mark for mark in MARKS if material in ONLY_ON.get(mark, (material,))], rng)


def _full_frame(surface: Surface, shape: tuple[int, int], rng: np.random.Generator) -> Scene:
    bent = Surface(surface.height + form(shape, rng), surface.albedo, surface.gloss, surface.shine)
    return Scene(bent, np.ones(shape, dtype=bool), bent)


def _unmarked(scene: Scene) -> tuple[Surface, np.ndarray]:
    return scene.surface, np.zeros(scene.region.shape, dtype=bool)


def _marked(scene: Scene, kind: str, side: int, rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """The scene's surface with a mark on the product alone, weak or strong, and the mask; unmarked where none fits."""
    spots = np.argwhere(_edge_zone(scene.region) if rng.random() < 0.3 else scene.region)
    spots = spots[((spots >= side // 16) & (spots < side - side // 16)).all(1)]
    if not len(spots):
        return _unmarked(scene)
    least, most = np.log(EXTENTS.get(kind, USUAL_EXTENT))
    size = side * float(np.exp(rng.uniform(least, most)))
    centre = spots[rng.integers(len(spots))].astype(float)
    marked, mask = MARKS[kind](scene.surface, centre, size, rng)
    mask &= scene.region
    if mask.sum() < 3:
        return _unmarked(scene)
    if kind in ("hole", "break") and not scene.region.all() and rng.random() < 0.6:
        opened = np.clip(ndimage.gaussian_filter(mask.astype(np.float32), 0.5), 0, 1)
        return _blend(scene.surface, scene.backdrop, opened), mask
    strength = 1.0 if rng.random() < 0.6 else rng.uniform(0.45, 1.0)
    return _blend(scene.surface, marked, strength * scene.region), mask


def _edge_zone(region: np.ndarray) -> np.ndarray:
    """Where a mark on the edge may sit: near the product's outline, or near the frame where there is no outline."""
    return region & ~ndimage.binary_erosion(region, iterations=max(4, len(region) // 20))


def _blend(before: Surface, after: Surface, weight: np.ndarray) -> Surface:
    weight = weight.astype(np.float32)
    return Surface(
        before.height + weight * (after.height - before.height),
        before.albedo + weight[..., None] * (after.albedo - before.albedo),
        before.gloss + weight * (after.gloss - before.gloss),
        before.shine,
    )


def _object_words(colour: str, material: str, view: str, backdrop: str, marked: bool, rng: np.random.Generator) -> str:
    said = rng.random(6).tolist()
    thing = ("object", "part")[rng.integers(2)] if said[0] < 0.08 else material
    words = ["a photo of a" if said[1] < 0.1 else "a"]
    words += ["good"] * (not marked and said[2] < 0.3)
    words += [colour] * (said[3] > 0.1) + [thing]
    words += [view] if view else ["surface"] * (said[4] < 0.3)
    words += [f"on {backdrop} background"] * (bool(view) and said[5] < 0.5)
    return " ".join(words)


def _mark_words(kind: str, mask: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> str:
    """What, how large and where, measured on the mask itself."""
    said = rng.random(3).tolist()
    rows, columns = np.nonzero(mask)
    extent = (max(np.ptp(rows), np.ptp(columns)) + 1) / len(mask)
    size = next(word for word, most in SIZES.items() if extent <= most)
    third = [int(np.digitize(where.mean() / len(mask), [0.38, 0.62])) for where in (rows, columns)]
    words = [size] * (said[0] > 0.15) + ["defect" if said[1] < 0.08 else kind]
    if said[2] < 0.6:
        on_edge = not region.all() and (ndimage.binary_dilation(mask, iterations=2) & ~region).any()
        words += ["on edge"] * bool(on_edge) + [PLACES[third[0]][third[1]]]
    return f" with {' '.join(words)}"


def _one_of(names: Iterable[str], rng: np.random.Generator) -> str:
    choices = list(names)
    return str(choices[rng.integers(len(choices))])
