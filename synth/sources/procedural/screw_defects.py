"""Defects of the screw, each on one of its features and smaller than that."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from synth.sources.procedural.noise import band_field, soft_step, wander
from synth.sources.procedural.part import Part
from synth.sources.procedural.placing import mixed, ragged, short, solid, stroke, tapered
from synth.sources.procedural.screw import (
    CREST,
    ENDS,
    HEAD,
    LEAD,
    NECK,
    THREAD,
    TIP,
    axis_height,
    crosswise,
    feature_map,
)

BARE = np.array([0.50, 0.49, 0.47])  # albedo of steel that was laid bare just now


def scratch(part: Part, rng: np.random.Generator, strength: float, feature: int) -> Part:
    """One to three short grooves side by side on the head or the neck, bright, with a dark burr along them."""
    on = feature_map(part) == feature
    depth_inside = ndimage.distance_transform_edt(on)
    places = np.argwhere(depth_inside >= 0.45 * depth_inside.max())
    scale = short(part) / 192
    heading = rng.uniform(0, 2 * np.pi)
    length = scale * (rng.uniform(14, 26) if feature == HEAD else rng.uniform(10, 16))
    along = np.array([np.sin(heading), np.cos(heading)])
    start = places[rng.integers(len(places))] - 0.5 * length * along
    width = max(scale, 1.0) * rng.uniform(0.5, 0.75)
    cover, burr = np.zeros_like(part.height), np.zeros_like(part.height)
    for number in range(rng.choice([1, 2, 3], p=[0.4, 0.35, 0.25])):
        beside = number * scale * rng.uniform(2.2, 4) * np.array([along[1], -along[0]])
        points = wander(start + beside, heading + rng.normal(0, 0.08), length * rng.uniform(0.7, 1), 0.06, 1.5, rng)
        distance, place = stroke(points, part.height.shape)
        cover = np.maximum(cover, tapered(distance, place, width))
        burr = np.maximum(burr, tapered(np.abs(distance - 2 * width), place, 0.4 * width))
    within = solid(part) * np.clip(depth_inside, 0, 1)
    cover, burr = cover * within, burr * within * (1 - cover)
    depth = 0.3 * part.pitch * strength
    bare = np.minimum(BARE * strength, 0.8)
    cut = mixed(part, cover, part.height - depth, bare, part.gloss, 0.45)
    return mixed(cut, 0.7 * burr, cut.height + 0.25 * depth, cut.albedo * 0.6)


def thread_dent(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """A blow on one side of the thread: two to four teeth lost their crests to a slanted face of bright metal."""
    across, _ = crosswise(part)
    assert part.axial is not None
    outward = rng.choice([-1, 1]) * across
    half = LEAD * rng.uniform(1.1, 2.0)
    middle = rng.uniform(ENDS[NECK] + LEAD + half, ENDS[THREAD] - half)
    bow = np.clip(1 - ((part.axial - middle) / half) ** 2, 0, 1) ** 0.5
    rough = band_field(part.height.shape, rng, max(0.3 * LEAD / part.pitch, 0.7))
    depth = np.clip(rng.uniform(0.65e-3, 1.05e-3) * strength * bow * (1 + 0.15 * rough), 0, 0.45 * CREST)
    lean = rng.uniform(0.2, 0.45)
    # The face is a plane with the outward normal (cos lean, sin lean), `depth` below the thread's crests.
    axis = axis_height(part.axial)
    face = axis + (CREST - depth - outward * np.cos(lean)) / np.sin(lean)
    hit = (bow > 0) & (outward > 0)
    lost = np.clip((outward - (CREST - depth) / np.cos(lean)) / part.pitch + 0.5, 0, 1) * hit * (solid(part) > 0)
    flat = np.clip((part.height - face) / (0.4 * part.pitch), 0, 1) * hit * solid(part)
    metal = 0.7 * BARE * np.exp(0.1 * rough)[..., None]
    worn = mixed(part, flat, np.maximum(face, 0.5 * axis), metal, part.gloss, 0.35)
    return _to_table(worn, part, lost)


def bent_tip(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """The tip was driven against something: bent to one side, or its end broken off."""
    return _bent(part, rng, strength) if rng.random() < 0.6 else _broken_off(part, rng, strength)


def _bent(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """Every section of the tip moved sideways, the farther out the more; old places show the table."""
    _, side = crosswise(part)
    assert part.axial is not None
    pivot = ENDS[THREAD] + rng.uniform(0, 0.2) * (ENDS[TIP] - ENDS[THREAD])
    beyond = np.clip((part.axial - pivot) / (ENDS[TIP] - pivot), 0, 1.5)
    moved = rng.choice([-1, 1]) * rng.uniform(1.1e-3, 1.8e-3) * min(strength, 1.5) / part.pitch * beyond**1.3
    rows, columns = np.indices(part.height.shape)
    source = np.stack([rows - moved * side[1], columns - moved * side[0]])

    def displaced(field: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(field, source, order=1, mode="nearest")

    arrives = np.clip(displaced(part.inside) / part.pitch + 0.5, 0, 1) * (beyond > 0)
    bare = _to_table(part, part, (solid(part) > 0) * (beyond > 0).astype(np.float32))
    albedo = np.stack([displaced(part.albedo[..., channel]) for channel in range(3)], axis=-1)
    there = (arrives > 0).astype(np.float32)
    scuffed = displaced(part.roughness) * (1 + 0.75 * np.clip(6 * beyond, 0, 1))
    return mixed(bare, there, displaced(part.height), albedo, displaced(part.gloss), scuffed)


def _broken_off(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """The end of the tip is missing behind a jagged, slanted face of coarse grey metal."""
    across, _ = crosswise(part)
    assert part.axial is not None
    length = ENDS[TIP] - ENDS[THREAD]
    cut = ENDS[TIP] - length * min(rng.uniform(0.38, 0.56) * strength, 0.65) + rng.uniform(-0.2, 0.2) * across
    beyond = ragged((part.axial - cut) / part.pitch, rng, 0.35e-3 / part.pitch, 0.15e-3 / part.pitch)
    face = rng.uniform(0.2, 0.3) * length / part.pitch
    facets = band_field(part.height.shape, rng, max(0.2e-3 / part.pitch, 0.7))
    slope = np.clip(1 + beyond / face, 0, 1)
    broken = soft_step(-beyond - face, 1.2) * solid(part)
    coarse = np.array([0.30, 0.30, 0.29]) * np.exp(0.25 * facets)[..., None]
    low = part.height * (1 - 0.45 * slope) - 0.05e-3 * (1 + facets)
    faced = mixed(part, broken, low, coarse, 0.12, 0.6)
    return _to_table(faced, part, soft_step(-beyond, 1.2) * (solid(part) > 0))


def _to_table(part: Part, good: Part, gone: np.ndarray) -> Part:
    """The part with the table where `gone` (H, W) in [0, 1] is: that beside the good part, mirrored in its outline."""
    _, (row, column) = ndimage.distance_transform_edt(good.inside > -1.5 * good.pitch, return_indices=True)
    rows, columns = np.indices(row.shape)
    r = np.clip(2 * row - rows, 0, row.shape[0] - 1)
    c = np.clip(2 * column - columns, 0, row.shape[1] - 1)
    again = good.inside[r, c] > -good.pitch
    r, c = np.where(again, row, r), np.where(again, column, c)
    return mixed(part, gone, good.height[r, c], good.albedo[r, c], good.gloss[r, c], good.roughness[r, c])
