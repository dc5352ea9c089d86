"""A glazed ceramic floor tile, full frame: speckled stoneware under a slightly wavy glaze."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.noise import band_field, random_field
from synth.sources.procedural.part import Part, View


def build(view: View, rng: np.random.Generator) -> Part:
    """One good tile: its own speckles, clouds and waviness; tone and gloss from one batch."""
    clouds = random_field(view.shape, rng, slope=2.8)
    grain = band_field(view.shape, rng, 0.7)
    tone = 0.50 * np.exp(0.035 * clouds + 0.025 * grain + rng.normal(0, 0.03))
    albedo = tone[..., None] * np.array([1.0, 0.955, 0.865])
    for scale, level, ink in ((0.45e-3, 1.9, (0.35, 0.29, 0.23)), (0.9e-3, 2.2, (0.60, 0.50, 0.40))):
        specks = np.clip(3 * (band_field(view.shape, rng, max(scale / view.pitch, 0.7)) - level), 0, 1)
        albedo = albedo * (1 - specks[..., None] * (1 - np.array(ink)))
    peel = band_field(view.shape, rng, max(1.1e-3 / view.pitch, 1.0))
    return Part(
        height=(8e-3 + 60e-6 * clouds + 5e-6 * peel).astype(np.float32),
        albedo=albedo.astype(np.float32),
        gloss=(0.06 * np.exp(0.05 * clouds)).astype(np.float32),
        roughness=np.full(view.shape, 0.16, dtype=np.float32),
        inside=np.full(view.shape, view.frame, dtype=np.float32),
        pitch=view.pitch,
    )
