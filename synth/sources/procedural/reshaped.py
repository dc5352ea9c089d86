"""Defects by deformation or discolouration: nothing added and nothing lost."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.noise import band_field, soft_step
from synth.sources.procedural.part import Part
from synth.sources.procedural.placing import blob, mixed, ragged, short, solid, spot_on


def dent(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """A blow: a bowl with a low raised rim, its colour kept; seen by its shading and its smoothed bottom."""
    radius = short(part) * rng.uniform(0.04, 0.085)
    distance = blob(part, spot_on(part, rng, 1.2 * radius), radius, rng, 0.0)
    distance = ragged(distance, rng, 0.6 * radius, 0.06 * radius)
    inward = np.clip(-distance / radius, 0, 1)
    bowl = -(inward**2) * (3 - 2 * inward) * 0.4
    rim = 0.07 * np.clip(1 - np.abs(distance / radius - 0.02) / 0.22, 0, 1) ** 2
    depth = radius * part.pitch * strength * (bowl + rim) * solid(part)
    return mixed(part, np.ones_like(depth), height=part.height + depth)


def sink(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """A sink mark: plastic that shrank over a thick place, a broad soft hollow without a rim, a little duller."""
    radius = short(part) * rng.uniform(0.07, 0.12)
    distance = ragged(blob(part, spot_on(part, rng, radius), radius, rng, 0.0), rng, 0.7 * radius, 0.08 * radius)
    inward = np.clip(-distance / radius, 0, 1)
    cover = inward**2 * (3 - 2 * inward) * solid(part)
    deep = part.height - 0.30 * radius * part.pitch * strength
    return mixed(part, cover, height=deep, roughness=part.roughness * 1.3)


def stain(
    part: Part, rng: np.random.Generator, strength: float, tint: tuple[float, float, float], gloss: float = 0.6
) -> Part:
    """A liquid that spread and dried: discoloured unevenly, with drips beside it and a stronger rim; flat.

    tint: what the dried liquid lets through, for each of R, G, B."""
    size = short(part)
    radius = size * rng.uniform(0.06, 0.13)
    centre = spot_on(part, rng, radius)
    distance = blob(part, centre, radius, rng, 0.08)
    for _ in range(rng.integers(0, 4)):
        drop = blob(part, centre + rng.normal(0, 1.3 * radius, 2), radius * rng.uniform(0.12, 0.3), rng, 0.1)
        distance = np.minimum(distance, drop)
    distance = ragged(distance, rng, 0.35 * radius, 0.13 * radius)
    clouds = 0.8 + 0.15 * band_field(distance.shape, rng, max(0.25 * radius, 1.0))
    rim = 0.35 * np.exp(-((distance / max(0.1 * radius, 1.2)) ** 2))
    density = np.clip((clouds + rim) * strength, 0.25, 2.0) * rng.uniform(0.85, 1.15)
    cover = soft_step(distance, max(0.12 * radius, 1.5)) * solid(part)
    soaked = part.albedo * np.array(tint) ** density[..., None]
    return mixed(part, cover, None, soaked, part.gloss * gloss, part.roughness * 1.4)


def burn(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """Overheated plastic: a charred blistered core in a brown halo, dull."""
    radius = short(part) * rng.uniform(0.05, 0.1)
    distance = ragged(blob(part, spot_on(part, rng, radius), radius, rng, 0.05), rng, 0.4 * radius, 0.15 * radius)
    halo = soft_step(distance, 0.5 * radius) * solid(part)
    core = soft_step(distance + 0.35 * radius, 0.5 * radius) * solid(part)
    blisters = np.clip(band_field(distance.shape, rng, max(0.12 * radius, 1.0)), -0.5, 2)
    grey = part.albedo.mean(-1, keepdims=True)
    scorched = np.array([1.3, 0.75, 0.45]) * grey / strength
    seared = mixed(part, 0.85 * halo, None, scorched, part.gloss * 0.5, 0.6)
    char = np.array([0.012, 0.010, 0.009]) * np.exp(0.2 * blisters)[..., None]
    return mixed(seared, core, seared.height + 0.5 * part.pitch * blisters * strength, char, 0.03, 0.5)


def rust(part: Part, rng: np.random.Generator, strength: float) -> Part:
    """Corrosion: orange-brown blooms, speckled at their border, rough and matt."""
    radius = short(part) * rng.uniform(0.06, 0.13)
    distance = blob(part, spot_on(part, rng, radius), radius, rng, 0.08)
    specks = band_field(distance.shape, rng, max(short(part) / 160, 0.8))
    cover = soft_step(distance + 0.28 * radius * specks, 2.0) * soft_step(distance - 0.6 * radius, 2.0) * solid(part)
    hue = np.clip(0.5 + 0.3 * band_field(distance.shape, rng, 0.2 * radius), 0, 1)[..., None]
    oxide = (np.array([0.20, 0.075, 0.025]) * hue + np.array([0.085, 0.035, 0.02]) * (1 - hue)) / strength
    crust = part.height + 0.08 * part.pitch * (1 + specks)
    return mixed(part, cover, crust, oxide * np.exp(0.15 * specks)[..., None], 0.03, 0.8)
