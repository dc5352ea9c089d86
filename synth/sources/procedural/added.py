"""Defects by addition: burrs and moulding flash on the edges, fibres lying on the part, lumps that set on it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from synth.sources.procedural.noise import band_field, soft_step
from synth.sources.procedural.part import Part
from synth.sources.procedural.placing import blob, mixed, path, ragged, short, spot_on, spot_on_edge, stroke, tapered


def burr(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """A jagged bright lip of displaced metal along a stretch of an edge, leaning out over it."""
    scale = short(part) / 192
    ragged_width = (2.0 + 0.6 * band_field(part.height.shape, rng, 2.2 * scale)) * scale
    away = np.abs(part.inside / part.pitch + 0.8 * scale) - ragged_width
    stretch = blob(part, spot_on_edge(part, rng), 12 * scale * rng.uniform(0.8, 1.8), rng, 0.1)
    cover = soft_step(away, 1.2) * soft_step(stretch, 4 * scale)
    crest = 1 + 0.3 * band_field(part.height.shape, rng, 1.6 * scale)
    lip = _top(part, 7 * scale) + 1.3 * part.pitch * strength * crest
    bright = np.array([0.42, 0.41, 0.39]) * (0.8 + 0.2 * crest * strength)[..., None]
    return mixed(part, cover, lip, bright, 0.45, 0.3)


def flash(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """Plastic pressed out between the mould halves: a thin pale fin with a torn edge beyond the outline."""
    scale = short(part) / 192
    stretch = blob(part, spot_on_edge(part, rng), 22 * scale * rng.uniform(0.8, 1.6), rng, 0.1)
    reach = scale * (4.5 + 1.6 * band_field(part.height.shape, rng, 3 * scale)) * np.clip(-stretch / (14 * scale), 0, 1)
    outside = -part.inside / part.pitch
    cover = soft_step(outside - reach * 1.6, 1.2) * soft_step(-outside - 0.5, 1.2) * (reach > 0)
    colour = _colour_near(part, 9 * scale) * (1.25 + 0.25 * strength) + 0.02
    return mixed(part, cover, 0.45 * _top(part, 9 * scale), colour, 0.08, 0.35)


def fibre(part: Part, rng: np.random.Generator, strength: float, colour: tuple[float, float, float]) -> Part:
    """A loose thread or hair that fell on the part: thin, curled, lying over grooves and gaps."""
    size = short(part)
    points = path(part, rng, size * rng.uniform(0.4, 0.9), bend=0.16)
    distance, along = stroke(points, part.height.shape)
    width = size / 192 * rng.uniform(1.1, 1.9)
    cover = tapered(distance, along, width) * (part.inside > -3 * part.pitch)
    rounded = np.sqrt(np.clip(1 - (distance / (width + 1)) ** 2, 0, 1))
    lying = _top(part, 6 * size / 192) + width * part.pitch * (0.4 + 1.2 * rounded) * strength
    twist = 1 + 0.25 * np.sin(along * len(points) * 4.5 + 2 * distance / width)
    return mixed(part, cover, lying, np.array(colour) * twist[..., None], 0.03, 0.6)


def drop(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """A lump of glaze or glue that ran together and set: a glossy bead, a little darker, with a sharp highlight."""
    radius = short(part) * rng.uniform(0.03, 0.07)
    distance = ragged(blob(part, spot_on(part, rng, radius), radius, rng, 0.04), rng, 0.5 * radius, 0.06 * radius)
    cover = soft_step(distance, 1.2) * (part.inside > 0)
    inward = np.clip(-distance / radius, 0, 1)
    bead = 0.55 * radius * part.pitch * strength * np.sqrt(np.clip(1 - (1 - inward) ** 2, 0, 1))
    depth_of_glaze = np.array([0.80, 0.76, 0.66]) ** (0.4 + inward[..., None])
    return mixed(part, cover, part.height + bead, part.albedo * depth_of_glaze, 0.14, 0.12)


def _top(part: Part, reach: float) -> np.ndarray:
    """The highest the part gets within `reach` px: what a thing that lies across gaps rests on."""
    span = 2 * round(reach / 2) + 1
    return ndimage.uniform_filter(ndimage.maximum_filter(part.height, span), max(span // 2, 1))


def _colour_near(part: Part, reach: float) -> np.ndarray:
    """Mean albedo (H, W, 3) of the part's material within about `reach` px."""
    weight = (part.inside > 0).astype(np.float32)
    total = ndimage.gaussian_filter(part.albedo * weight[..., None], (reach, reach, 0))
    return total / np.maximum(ndimage.gaussian_filter(weight, reach), 1e-3)[..., None]
