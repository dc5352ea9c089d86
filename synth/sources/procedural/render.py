"""A part's image: light in linear units from the true normals, then lens and sensor.

`Rig` is a station's nominal set-up; `Shot` what one exposure really had. A shot is drawn once and only read afterwards,
so a good part and its defective version see the same lamp, lens and noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synth.sources.procedural.noise import grid
from synth.sources.procedural.part import Part, View


@dataclass(frozen=True, slots=True)
class Rig:
    """Nominal light of an inspection station: lamp direction in radians, share of diffuse light, exposure."""

    azimuth: float
    elevation: float
    ambient: float
    exposure: float


@dataclass(frozen=True, slots=True)
class Shot:
    """One exposure: lamp (3,) metres in the camera frame, ambient share, gain (3,), tilt (2,) and vignette of the light
    field, blur in px, and the sensor's noise (H, W, 3), unit deviation, with its strength."""

    lamp: np.ndarray
    ambient: float
    gain: np.ndarray
    tilt: np.ndarray
    vignette: float
    blur: float
    noise: np.ndarray
    strength: float


def draw_shot(rig: Rig, view: View, rng: np.random.Generator) -> Shot:
    """The rig's nominal light with the small drifts of a real station."""
    azimuth = rig.azimuth + rng.normal(0, 0.06)
    elevation = rig.elevation + rng.normal(0, 0.02)
    reach = 0.9 * view.distance
    lamp = reach * np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), 0.0])
    lamp[2] = view.distance - reach * np.sin(elevation)
    tone = rng.standard_normal((*view.shape, 1), dtype=np.float32)
    colour = rng.standard_normal((*view.shape, 3), dtype=np.float32)
    return Shot(
        lamp=lamp,
        ambient=rig.ambient * rng.uniform(0.92, 1.08),
        gain=rig.exposure * np.exp(rng.normal(0, 0.05)) * np.exp(rng.normal(0, 0.008, 3)),
        tilt=rng.normal(0, 0.1, 2),
        vignette=rng.uniform(0.25, 0.45),
        blur=rng.uniform(0.45, 0.65),
        noise=0.8 * tone + 0.6 * colour,
        strength=rng.uniform(0.8, 1.2),
    )


def render(part: Part, view: View, shot: Shot) -> np.ndarray:
    """The camera's image, uint8 (H, W, 3) sRGB."""
    return develop(radiance(part, view, shot), shot)


def radiance(part: Part, view: View, shot: Shot) -> np.ndarray:
    """Linear light towards the camera, float32 (H, W, 3): Lambert, highlight of the lamp, mirrored dome."""
    points = view.points(part.height)
    normal = view.normals(part.height)
    to_eye = -points / _length(points)
    to_lamp = shot.lamp.astype(np.float32) - points
    reach = _length(to_lamp)
    to_lamp /= reach
    lit = (view.distance * 0.9 / reach[..., 0]) ** 2 * cast_light(part, shot, view)
    open_sky = occlusion(part.height, part.pitch)
    facing = np.clip(_dot(normal, to_lamp), 0, None)
    sky = shot.ambient * open_sky * (0.6 - 0.4 * normal[..., 2])
    diffuse = sky + (1 - shot.ambient) * lit * facing * 1.3
    half = to_lamp + to_eye
    half /= _length(half)
    mirrored = 2 * _dot(normal, to_eye)[..., None] * normal - to_eye
    glossy = 2.2 * lit * highlight(part, normal, half) * (facing > 0) + open_sky * dome(mirrored, shot.ambient)
    tint = 0.5 + 0.5 * part.albedo / np.maximum(part.albedo.mean(-1, keepdims=True), 1e-3)
    metal = np.clip(2 * part.gloss, 0, 1)[..., None]
    return part.albedo * diffuse[..., None] + (part.gloss * glossy)[..., None] * (1 - metal + metal * tint)


def highlight(part: Part, normal: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Ward's lobe exp(-tan^2 / roughness^2), about 2.5 times wider across machining marks than along them; (H, W)."""
    upright = np.clip(_dot(normal, half), 1e-3, None)
    if part.grooves is None:
        spread = (1 - upright**2) / part.roughness**2
    else:
        flat = half - upright[..., None] * normal
        along = (flat[..., :2] * part.grooves).sum(-1) / part.roughness
        across = (flat[..., 0] * -part.grooves[..., 1] + flat[..., 1] * part.grooves[..., 0]) / (2.5 * part.roughness)
        spread = along**2 + across**2
    return np.exp(-spread / upright**2)


def dome(direction: np.ndarray, ambient: float) -> np.ndarray:
    """What a glossy surface mirrors: a white dome, brighter overhead, with a dark port for the camera; (H, W)."""
    up = -direction[..., 2]
    return ambient * (0.15 + 0.85 * np.clip(up, 0, 1) ** 2 - 0.25 * np.exp((up - 1) * 120))


def occlusion(height: np.ndarray, pitch: float) -> np.ndarray:
    """Share of the sky seen from each pixel, (H, W) in (0, 1], from how far its surroundings rise above it."""
    sky = np.ones_like(height)
    for reach in (1.5e-3, 5e-3):
        window = 2 * max(1, round(reach / pitch)) + 1
        around = ndimage.uniform_filter(ndimage.uniform_filter(height, window, mode="nearest"), window, mode="nearest")
        sky /= 1 + 1.6 * np.clip(around - height, 0, None) / reach
    return sky


def cast_light(part: Part, shot: Shot, view: View, steps: int = 14, reach: float = 9e-3) -> np.ndarray:
    """1 where the lamp is seen, 0.1 in its shadow, soft between; (H, W). Marches the height field towards the lamp."""
    across = np.hypot(shot.lamp[0], shot.lamp[1])
    rise = (view.distance - shot.lamp[2]) / across
    direction = shot.lamp[:2] / across
    margin = int(np.ceil(reach / part.pitch)) + 1
    around = np.pad(part.height, margin, mode="edge")
    rows, columns = part.height.shape
    above = np.full_like(part.height, -1.0)
    for step in np.linspace(reach / steps, reach, steps):
        right, down = (margin + round(shift) for shift in direction * step / part.pitch)
        towards = around[down : down + rows, right : right + columns]
        hidden = (towards - part.height - np.float32(rise * step)) * np.float32(1 / (0.15e-3 + 0.12 * step))
        np.maximum(above, hidden, out=above)
    return ndimage.gaussian_filter(np.clip(0.9 - 0.8 * above, 0.1, 1), 0.6, truncate=2.5)


def develop(light: np.ndarray, shot: Shot) -> np.ndarray:
    """Lens and sensor: uneven field, vignetting, defocus, exposure, shot and read noise, sRGB; uint8 (H, W, 3)."""
    rows, columns = grid(light.shape[:2])
    scale = max(light.shape[:2])
    y, x = (rows - light.shape[0] / 2) / scale, (columns - light.shape[1] / 2) / scale
    field = (1 + shot.tilt[0] * y + shot.tilt[1] * x) * (1 - shot.vignette * (x**2 + y**2))
    light = light * field[..., None] * shot.gain.astype(np.float32)
    light = ndimage.gaussian_filter(light, (shot.blur, shot.blur, 0), truncate=3)
    light = np.where(light > 0.7, 0.7 + 0.3 * np.tanh((light - 0.7) / 0.3), light)  # the shoulder of a camera's curve
    light = light + shot.strength * shot.noise * np.sqrt(4e-6 + 1.2e-4 * np.clip(light, 0, None))
    return np.rint(255 * np.clip(light, 0, 1) ** (1 / 2.2)).astype(np.uint8)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ijk,ijk->ij", a, b)


def _length(a: np.ndarray) -> np.ndarray:
    return np.sqrt(_dot(a, a))[..., None]
