"""A turned steel flange on a dark blasted fixture: bore with a raised hub, six bolt holes, a sealing groove."""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.noise import band_field, soft_step
from synth.sources.procedural.part import Part, View

RIM, BORE, HUB, SEAL = 31e-3, 10.5e-3, 16e-3, (26.6e-3, 28.0e-3)  # radii
BOLT_CIRCLE, BOLT = 21.2e-3, 2.9e-3
THICKNESS, HUB_RISE, CHAMFER = 7e-3, 2.5e-3, 0.8e-3


def build(view: View, rng: np.random.Generator) -> Part:
    """One good flange: turned by up to 10 degrees, moved by 1 mm, its marks, tone and blasted fixture its own."""
    x, y = view.plane()
    x, y = x - rng.normal(0, 0.6e-3), y - rng.normal(0, 0.6e-3)
    radius = np.hypot(x, y)
    bolts = _to_nearest_bolt(x, y, radius, turn=rng.normal(0, 0.06)) - (BOLT + rng.normal(0, 0.05e-3))
    inside = np.minimum(np.minimum(RIM + rng.normal(0, 0.05e-3) - radius, radius - BORE), bolts).astype(np.float32)
    cover = np.clip(inside / view.pitch + 0.5, 0, 1)
    marks = _turning_marks(x, y, rng)
    height = THICKNESS + HUB_RISE * soft_step(radius - HUB, 1.2e-3)
    seal = soft_step(np.abs(radius - np.mean(SEAL)) - (SEAL[1] - SEAL[0]) / 2, 0.5e-3)
    height = height - 0.9e-3 * seal - np.clip(CHAMFER - inside, 0, CHAMFER) + 5e-6 * marks
    grain = band_field(view.shape, rng, 0.7)
    slow = band_field(view.shape, rng, 12e-3 / view.pitch)
    metal = 0.30 * np.exp(0.07 * marks + 0.03 * grain + 0.04 * slow + rng.normal(0, 0.05))
    cloth = 0.035 * np.exp(0.2 * grain + 0.12 * slow)
    steel, black = np.array([1.0, 0.985, 0.955]), np.array([0.95, 1.0, 1.06])
    albedo = metal[..., None] * steel * cover[..., None] + cloth[..., None] * black * (1 - cover[..., None])
    return Part(
        height=(height * cover + 12e-6 * grain * (1 - cover)).astype(np.float32),
        albedo=albedo.astype(np.float32),
        gloss=(0.02 + (0.40 * np.exp(0.05 * slow) - 0.02) * cover).astype(np.float32),
        roughness=(0.5 + (0.17 * np.exp(0.08 * marks) - 0.5) * cover).astype(np.float32),
        inside=inside,
        pitch=view.pitch,
        grooves=(np.stack([-y, x], -1) / np.maximum(radius, 1e-6)[..., None]).astype(np.float32),
    )


def _to_nearest_bolt(x: np.ndarray, y: np.ndarray, radius: np.ndarray, turn: float) -> np.ndarray:
    """Distance to the centre of the nearest of the six bolt holes, metres."""
    away = (np.arctan2(y, x) - turn + np.pi / 6) % (np.pi / 3) - np.pi / 6
    return np.hypot(radius * np.cos(away) - BOLT_CIRCLE, radius * np.sin(away))


def _turning_marks(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lathe's feed marks: a function of the radius about the spindle, which nearly is the part's centre."""
    radius = np.hypot(x - rng.normal(0, 0.15e-3), y - rng.normal(0, 0.15e-3))
    radii = np.arange(0, 60e-3, 0.2e-3)
    coarse = np.convolve(rng.standard_normal(radii.size), np.hanning(9), mode="same") / 2
    fine = np.convolve(rng.standard_normal(radii.size), np.hanning(5), mode="same")
    return np.interp(radius, radii, 0.6 * coarse + 0.8 * fine).astype(np.float32)
