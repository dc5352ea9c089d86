"""Woven cloth, full frame: a two-over-one twill of light warp and blue weft over a dark table."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.noise import band_field, random_field
from synth.sources.procedural.part import Part, View

PITCH = 1.25e-3  # between yarns
YARN = 0.42e-3  # half thickness of a yarn


def build(view: View, rng: np.random.Generator) -> Part:
    """One good piece: turned by a degree or two, yarns of uneven course and thickness, dyed a little differently."""
    x, y = view.plane()
    turn = np.deg2rad(rng.normal(0, 1.2))
    sway = [0.10e-3 * random_field(view.shape, rng, slope=2.6) for _ in range(2)]
    warp = (np.cos(turn) * x + np.sin(turn) * y + rng.uniform(0, PITCH) + sway[0]) / PITCH
    weft = (np.cos(turn) * y - np.sin(turn) * x + rng.uniform(0, PITCH) + sway[1]) / PITCH
    up, down = weave(warp, weft, thickness=_uneven(warp, rng)), weave(weft, -warp, thickness=_uneven(weft, rng))
    over = up > down
    fibre = _fibres(view, over, rng)
    shade = np.exp(0.07 * fibre + 0.03 * random_field(view.shape, rng, slope=2.0) + rng.normal(0, 0.03))
    light, blue = np.array([0.52, 0.50, 0.44]), np.array([0.10, 0.165, 0.29]) * np.exp(rng.normal(0, 0.03, 3))
    tone = np.where(over, _uneven(warp, rng), _uneven(weft, rng))
    albedo = np.where(over[..., None], light, blue) * (shade * (0.55 + 0.45 * tone))[..., None]
    drape = 0.15e-3 * random_field(view.shape, rng, slope=4.0)
    return Part(
        height=(1.5e-3 + np.maximum(up, down) + drape + 8e-6 * fibre).astype(np.float32),
        albedo=albedo.astype(np.float32),
        gloss=np.full(view.shape, 0.02, dtype=np.float32),
        roughness=np.full(view.shape, 0.7, dtype=np.float32),
        inside=np.full(view.shape, view.frame, dtype=np.float32),
        pitch=view.pitch,
        yarns=np.stack([warp, weft], -1).astype(np.float32),
    )


def weave(across: np.ndarray, along: np.ndarray, thickness: np.ndarray | float) -> np.ndarray:
    """Top of one set of yarns, metres (H, W): half-round in section, over two and under one of the other set.

    across numbers this set's yarns, along the other's; the pattern steps by one from yarn to yarn, hence the twill."""
    number = np.rint(across)
    section = np.sqrt(np.clip(1 - (2.1 * (across - number)) ** 2, 0.0, 1))
    bridge = np.cos(2 * np.pi / 3 * (along - number))
    return YARN * (section * thickness + 0.8 * bridge)


def _uneven(number: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A factor about 1 for each yarn, and the same all along it."""
    yarns = np.rint(number).astype(np.int32)
    return (1 + 0.09 * rng.standard_normal(int(yarns.max() - yarns.min()) + 1))[yarns - yarns.min()]


def _fibres(view: View, over: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fine streaks along the yarn on top, unit scale."""
    upright = random_field(view.shape, rng, slope=0.6, stretch=2.0, angle=np.pi / 2)
    level = random_field(view.shape, rng, slope=0.6, stretch=2.0)
    return np.where(over, upright, level) + 0.3 * band_field(view.shape, rng, 0.6)
