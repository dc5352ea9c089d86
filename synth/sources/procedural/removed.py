"""Defects by removal: material scratched, cracked, chipped or pitted away, or missing from the weave."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.cloth import PITCH
from synth.sources.procedural.noise import band_field, soft_step
from synth.sources.procedural.part import Part
from synth.sources.procedural.placing import (
    blob,
    fracture,
    mixed,
    path,
    ragged,
    short,
    solid,
    spot_on,
    spot_on_edge,
    stroke,
    tapered,
)


def scratch(part: Part, rng: np.random.Generator, strength: float, tone: float = 1.8) -> Part:
    """A hard edge dragged over the part: one to three long grooves with a burr on both sides.

    tone: albedo of the groove over that of the surface (metal is laid bare, plastic turns white)."""
    size = short(part)
    points = path(part, rng, size * rng.uniform(0.2, 0.5), bend=0.03)
    width = size / 192 * rng.uniform(0.9, 1.6)
    cover, ridge = np.zeros_like(part.height), np.zeros_like(part.height)
    for number in range(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])):
        shifted = points[number * len(points) // 5 :] + number * rng.uniform(-1, 1, 2) * 5 * size / 192
        distance, along = stroke(shifted, part.height.shape)
        one = tapered(distance, along, width / (1 + 0.4 * number))
        cover = np.maximum(cover, one)
        ridge = np.maximum(ridge, tapered(np.abs(distance - 2 * width), along, 0.5 * width))
    cover, ridge = cover * solid(part), ridge * solid(part) * (1 - cover)
    depth = 0.35 * part.pitch * strength
    bare = part.albedo * (1 + (tone - 1) * strength) + 0.02 * strength * (tone > 1)
    cut = mixed(part, cover, height=part.height - depth, albedo=bare, roughness=part.roughness * 1.6)
    return mixed(cut, ridge, height=cut.height + 0.3 * depth)


def crack(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """A fracture: a thin dark jagged line that tapers from its origin and may branch."""
    size = short(part)
    scale, heading = size / 192, rng.uniform(0, 2 * np.pi)
    length = size * rng.uniform(0.25, 0.55)
    back = 0.5 * length * np.array([np.sin(heading), np.cos(heading)])
    trunk = fracture(spot_on(part, rng, 0.08 * size) - back, heading, length, scale, rng)
    width = scale * rng.uniform(0.7, 1.2)
    cover = np.zeros_like(part.height)
    for branch in range(1 + rng.integers(3)):
        points = trunk
        if branch:
            joint = trunk[rng.integers(1, len(trunk) - 1)]
            aside = heading + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
            points = fracture(joint, aside, size * rng.uniform(0.08, 0.2), scale, rng)
        distance, along = stroke(points, part.height.shape)
        cover = np.maximum(cover, soft_step(distance - width / (1 + 0.4 * branch) * (1.15 - 0.9 * along), 1.2))
    cover = cover * solid(part)
    dark = part.albedo * 0.12 / strength
    return mixed(part, cover, height=part.height - 1.2 * part.pitch * strength, albedo=dark, gloss=0.01)


def edge_chip(part: Part, rng: np.random.Generator, strength: float, bare: tuple[float, float, float]) -> Part:
    """A corner of the rim or of a hole broken off: a ragged slope of facets in the colour of the bare material."""
    radius = short(part) * rng.uniform(0.035, 0.075)
    return _broken(part, blob(part, spot_on_edge(part, rng), radius, rng, 0.1), radius, rng, strength, bare)


def glaze_chip(part: Part, rng: np.random.Generator, strength: float, bare: tuple[float, float, float]) -> Part:
    """A shell-shaped flake knocked out of the surface, the bare body below it."""
    radius = short(part) * rng.uniform(0.035, 0.085)
    centre = spot_on(part, rng, radius)
    return _broken(part, blob(part, centre, radius, rng, 0.1), radius, rng, 0.5 * strength, bare)


def _broken(
    part: Part, distance: np.ndarray, radius: float, rng: np.random.Generator, strength: float, bare: tuple[float, ...]
) -> Part:
    distance = ragged(distance, rng, 0.3 * radius, 0.12 * radius)
    cover = soft_step(distance, 1.2) * solid(part)
    facets = band_field(distance.shape, rng, max(0.16 * radius, 1.0))
    bowl = np.clip(-distance / radius, 0, 1) ** 0.6
    depth = strength * radius * part.pitch * (0.15 + 0.45 * bowl + 0.05 * facets)
    floor = np.minimum(part.height, 0.5e-3)
    tone = np.array(bare) * np.exp(0.12 * facets)[..., None]
    return mixed(part, cover, np.maximum(part.height - depth, floor), tone, part.gloss * 0.4, 0.7)


def pits(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """Gas bubbles that broke the surface: a loose group of round holes with a dark bottom and a raised lip."""
    size = short(part)
    middle, spread = spot_on(part, rng, 0.08 * size), size * rng.uniform(0.03, 0.08)
    cover, lip = np.zeros_like(part.height), np.zeros_like(part.height)
    for _ in range(rng.integers(2, 8)):
        radius = size / 192 * rng.uniform(1.6, 4.2)
        distance = blob(part, middle + rng.normal(0, spread, 2), radius, rng, 0.08)
        cover = np.maximum(cover, soft_step(distance, 1.4))
        lip = np.maximum(lip, soft_step(np.abs(distance - 1.2) - 0.8, 1.2))
    cover, lip = cover * solid(part), lip * (1 - cover) * solid(part)
    depth = 2.0 * part.pitch * strength
    hollow = mixed(part, cover, part.height - depth, part.albedo * 0.3 / strength, part.gloss * 0.3, 0.7)
    return mixed(hollow, lip, hollow.height + 0.2 * part.pitch, hollow.albedo * 0.85)


def cloth_hole(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """Yarns torn out: the dark table shows through, and each yarn ends at a place of its own."""
    assert part.yarns is not None
    size = short(part)
    radius = size * rng.uniform(0.04, 0.09)
    distance = blob(part, spot_on(part, rng, 1.3 * radius), radius, rng, 0.2)
    frayed = 0.12 * radius * (_per_yarn(part.yarns[..., 0], rng) + _per_yarn(part.yarns[..., 1], rng))
    cover = soft_step(ragged(distance + frayed, rng, 1.0, 0.4), 1.5)
    table = np.array([0.035, 0.033, 0.03]) / strength
    return mixed(part, cover, np.float32(0.2e-3), table, 0.02)


def missing_yarn(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """A yarn that broke during weaving: along a stretch of it only the yarns that cross it lie there, sunk and dark."""
    assert part.yarns is not None
    size = short(part)
    axis = int(rng.integers(2))
    row, column = spot_on(part, rng, 0.12 * size)
    number = part.yarns[..., axis]
    run = np.abs(part.yarns[..., 1 - axis] - part.yarns[row, column, 1 - axis]) * PITCH / part.pitch
    away = np.abs(number - np.rint(number[row, column])) * PITCH / part.pitch
    half = size * rng.uniform(0.12, 0.3)
    cover = soft_step(away - 0.5 * PITCH / part.pitch, 1.2) * soft_step(run - half, 3.0)
    gap = part.albedo * np.array([0.42, 0.41, 0.38]) / strength
    return mixed(part, cover, np.minimum(part.height, 0.9e-3), gap)


def _per_yarn(number: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    yarns = np.rint(number).astype(np.int32)
    return rng.standard_normal(int(yarns.max() - yarns.min()) + 1)[yarns - yarns.min()]
