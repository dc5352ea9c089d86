"""One defect planned: everything drawn and measured that the pixel arithmetic of `synth.dual.dense` needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import ndimage

from synth.dual.arrays import norm, ramp
from synth.dual.cutting import Removal, cut_face, cut_hole, frame_at
from synth.dual.displace import LEAST_COS
from synth.dual.light import cast_shadow, occlusion, to_linear
from synth.dual.material import grain_at, own_texture
from synth.dual.numbers import SIGNAL
from synth.dual.placement import choose_seed
from synth.dual.profiles import Face, Hinge, Profile, Relief, Spot, Stroke
from synth.dual.scene import Scene
from synth.dual.spec import DefectSpec, draw_profile

MARGIN = 8
"""Pixels kept around what a defect changes."""
DARKER = 1 / 512
"""Share of light from which shade counts as change: less is no grey level."""
FURTHEST = 0.5
"""Metres from the camera to a projector, at most."""
WINDOW = 1.5
"""Shading fades out between 1 and 1.5 times the reach."""
THINNEST = 0.7
"""Least half-width of a line in px: a thinner one would break up into dots."""
SLOPE = 0.03
"""Height / radius * tan(view angle) from which the displacement is iterated."""
OFF_PLANE = 0.7
"""Distance from the tangent plane over that from the seed, up to which a pixel belongs to the same face."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One defect on its cut-out of the frame; images are (h, w) float32 or bool unless said otherwise.

    xyz, normal, linear (h, w, 3); height metres; opacity, window, dim (occlusion times cast shadow) in [0, 1];
    tint (h, w, 3); gone: surface replaced; scale, face_normal (h, w, 3): by what (see Removal); lost: no return;
    uniform (2, h, w) draws in [0, 1]; noise (h, w) metres, for replaced surfaces."""

    box: tuple[slice, slice]
    seed: tuple[int, int]
    spec: DefectSpec
    profile: Profile
    visible: str
    iterate: bool
    gloss: float
    power: float
    xyz: np.ndarray
    normal: np.ndarray
    linear: np.ndarray
    height: np.ndarray
    window: np.ndarray
    dim: np.ndarray
    tint: np.ndarray
    opacity: np.ndarray
    gone: np.ndarray
    scale: np.ndarray
    face_normal: np.ndarray
    lost: np.ndarray
    uniform: np.ndarray
    noise: np.ndarray
    parameters: dict[str, Any]


def plan_patch(scene: Scene, spec: DefectSpec, rngs: dict[str, np.random.Generator]) -> Patch:
    """Draw one defect of a spec on a scene: shape, height, place, then everything on its patch."""
    factor = spec.size_factor(max(scene.diagonal, default=0.0))
    profile = draw_profile(spec, rngs["shape"], rngs["height"], factor)
    profile = above_noise(profile, spec, scene.sigma, rngs["height"])
    seed = choose_seed(scene, spec.place, profile.reach, rngs["placement"])
    if isinstance(profile, Stroke):
        profile = replace(profile, finest=THINNEST * scene.pixel_size(*seed))
    return patch_at(scene, spec, profile, seed, rngs)


def above_noise(profile: Profile, spec: DefectSpec, sigma: float, rng: np.random.Generator) -> Profile:
    """The profile with a height the sensor can distinguish from noise: min_snr at least, or the difficulty's target."""
    if profile.amplitude == 0 or isinstance(profile, Hinge) or (isinstance(profile, Spot) and profile.through):
        return profile
    sign = 1.0 if profile.amplitude > 0 else -1.0
    if spec.difficulty and sigma > 0 and spec.min_snr > 0:
        return profile.scaled(sign * rng.uniform(*SIGNAL[spec.difficulty]) * sigma)
    return profile.scaled(sign * max(abs(profile.amplitude), spec.min_snr * sigma))


def patch_at(
    scene: Scene, spec: DefectSpec, profile: Profile, seed: tuple[int, int], rngs: dict[str, np.random.Generator]
) -> Patch:
    """The patch of a profile at a seed pixel."""
    frame = frame_at(scene, seed)
    wide = surroundings(scene, seed, profile.reach)
    q, own = _places(scene, seed, wide, frame)
    relief, removal = _relief(scene, profile, seed, wide, frame, q, own)
    window, dim = _shade(scene, profile, relief.height, q, own, seed, frame)
    inner = _changed(scene, seed, relief, removal, (1 - dim) * window, own)
    rows, columns = inner
    box = (
        slice(wide[0].start + rows.start, wide[0].start + rows.stop),
        slice(wide[1].start + columns.start, wide[1].start + columns.stop),
    )
    own, relief = own[inner], relief.cut(inner)
    linear = to_linear(scene.image[box])
    grain = partial(grain_at, q[inner], profile.reach, rngs["material"])
    layer = spec.kind.paint(linear, relief, grain, rngs["material"])
    tint, opacity = layer.tint, layer.opacity * own
    if spec.texture and rngs["material"].random() < spec.texture:
        tint = own_texture(to_linear(scene.image[wide]), rngs["material"])[inner]
    shape, normal = own.shape, scene.normal[box]
    face_normal, scale = np.zeros_like(normal), np.ones(shape, np.float32)
    lost = gone = np.zeros(shape, bool)
    if removal is not None:
        removal = removal.cut(inner)
        gone, scale, face_normal = removal.gone, removal.scale, removal.normal.astype(np.float32)
        lost = gone & (scale == 0)
        tint, opacity = _coloured(scene, box, removal, tint, opacity, rngs["material"])
    elif relief.gone is not None:
        lost = relief.gone & own
    centre = scene.xyz[seed]
    theta = math.acos(min(1.0, abs(float(frame[2] @ centre)) / math.sqrt(float(centre @ centre))))
    steep = abs(profile.amplitude) / profile.reach * math.tan(theta) > SLOPE
    return Patch(
        box=box,
        seed=seed,
        spec=spec,
        profile=profile,
        visible=spec.visible[rngs["visible"].integers(len(spec.visible))],
        iterate=bool(steep) and removal is None,
        gloss=layer.gloss,
        power=layer.power,
        xyz=scene.xyz[box],
        normal=normal,
        linear=linear,
        height=relief.height * own,
        window=window[inner],
        dim=dim[inner],
        tint=tint,
        opacity=opacity,
        gone=gone,
        scale=scale,
        face_normal=face_normal,
        lost=lost,
        uniform=rngs["noise"].random((2, *shape), dtype=np.float32),
        noise=_noise(scene.sigma, gone, rngs["noise"]),
        parameters={"seed_pixel": [int(v) for v in seed], "view_deg": round(math.degrees(theta), 2)},
    )


def _places(
    scene: Scene, seed: tuple[int, int], box: tuple[slice, slice], frame: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Places q (h, w, 2) metres in the tangent plane of the seed, and the pixels (h, w) bool of its own face."""
    away = scene.xyz[box] - scene.xyz[seed]
    # One plane of memory for each coordinate: what follows takes them one by one.
    first, second, off = (away @ axis for axis in frame.astype(np.float32))
    own = (scene.part[box] == scene.part[seed]) & (scene.facing[box] != 0)
    # What leaves the tangent plane this fast is another face, or another thing in front.
    own &= np.abs(off) <= OFF_PLANE * np.sqrt(first * first + second * second) + (2e-3 + 3 * scene.sigma)
    return np.moveaxis(np.stack([first, second]), 0, -1), own


def _shade(
    scene: Scene,
    profile: Profile,
    height: np.ndarray,
    q: np.ndarray,
    own: np.ndarray,
    seed: tuple[int, int],
    frame: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """`window` and `dim` of a patch (see Patch)."""
    window = (1 - ramp((norm(q) / profile.reach - 1) / (WINDOW - 1))) * own
    if profile.amplitude == 0 or not height.any():
        return window, np.ones_like(window)
    radius_px = max(profile.reach / scene.pixel_size(*seed), 1.0)
    full = max(abs(profile.amplitude), profile.reach / 8)
    return window, occlusion(height, radius_px, full) * _shadow(scene, height, seed, frame, radius_px)


def _changed(
    scene: Scene, seed: tuple[int, int], relief: Relief, removal: Removal | None, darker: np.ndarray, own: np.ndarray
) -> tuple[slice, slice]:
    """The rows and columns of a patch that hold everything the defect changes, and MARGIN px around: all that comes
    later is worked out there alone."""
    touched = own & ((relief.height != 0) | (relief.cover > 0) | (darker > DARKER))
    if removal is not None:
        touched |= removal.gone
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    if len(rows) == 0:
        rows, columns = (np.array([size // 2]) for size in touched.shape)
    # A rise hides pixels beside it, along the row, from the projector.
    rise, depth = max(float(relief.height.max()), 0.0), float(scene.xyz[seed][2])
    shadow = int(rise / max(float(scene.facing[seed]), LEAST_COS) * FURTHEST * scene.camera.focal[1] / depth**2)
    return (
        slice(max(rows[0] - MARGIN, 0), min(rows[-1] + MARGIN + 1, touched.shape[0])),
        slice(max(columns[0] - MARGIN - shadow, 0), min(columns[-1] + MARGIN + shadow + 1, touched.shape[1])),
    )


def _relief(
    scene: Scene,
    profile: Profile,
    seed: tuple[int, int],
    box: tuple[slice, slice],
    frame: np.ndarray,
    q: np.ndarray,
    own: np.ndarray,
) -> tuple[Relief, Removal | None]:
    flat = np.zeros(own.shape, np.float32)
    if isinstance(profile, Face):
        removal = cut_face(scene, profile, seed, box, frame)
        return Relief(flat, removal.gone.astype(np.float32)), removal
    if isinstance(profile, Hinge):
        return Relief(flat, flat), None
    relief = profile.at(q)
    if isinstance(profile, Spot) and profile.through and relief.gone is not None:
        removal = cut_hole(scene, relief.gone & own, box)
        return replace(relief, cover=removal.gone.astype(np.float32)), removal
    return relief, None


def surroundings(scene: Scene, seed: tuple[int, int], reach: float) -> tuple[slice, slice]:
    """The cut-out around a seed: reach times WINDOW and MARGIN px each way, as far as the frame goes."""
    halves = [int(WINDOW * reach / size) + MARGIN for size in scene.pixel_sides(*seed)]
    limits = zip(seed, halves, scene.shape, strict=True)
    rows, columns = (slice(max(at - half, 0), min(at + half + 1, size)) for at, half, size in limits)
    return rows, columns


def _shadow(
    scene: Scene, height: np.ndarray, seed: tuple[int, int], frame: np.ndarray, radius_px: float
) -> np.ndarray | float:
    """Cast shadow of the relief on itself; 1 where the lamp stands too high for one."""
    lamp = np.array(scene.light.direction)
    rise, flat = float(lamp @ frame[2]), lamp - (lamp @ frame[2]) * frame[2]
    length = float(np.linalg.norm(flat))
    pixel = scene.pixel_size(*seed)
    steepest = max(np.abs(np.diff(height, axis=0)).max(initial=0), np.abs(np.diff(height, axis=1)).max(initial=0))
    if length < 0.05 or rise <= 0 or steepest / pixel < 0.7 * rise / length:
        return 1.0
    start = scene.xyz[seed].astype(np.float64)
    ends = scene.camera.project(np.stack([start, start + 1e-3 * flat / length]))
    step = (ends[1] - ends[0]) * 1e3
    reach = min(np.ptp(height) * length / rise * float(np.hypot(*step)), 2 * radius_px)
    return cast_shadow(height, (float(step[1]), float(step[0])), rise / length, reach)


def _coloured(
    scene: Scene,
    box: tuple[slice, slice],
    removal: Removal,
    tint: np.ndarray,
    opacity: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Tint and opacity where the background shows: the colour of the background beside the part, in half shade."""
    if not removal.backdrop.any():
        return tint, opacity
    beside = scene.valid[box] & (scene.part[box] == 0)
    pixels = scene.image[box][beside] if beside.sum() > 20 else scene.image[scene.valid & (scene.part == 0)]
    if len(pixels) == 0:
        return tint, opacity
    pixels = to_linear(pixels[rng.integers(len(pixels), size=512)])
    low, high = np.percentile(pixels, (25, 75), axis=0)
    shade = rng.uniform(0.45, 0.8)
    cloud = 0.5 + 0.15 * rng.standard_normal((*opacity.shape, 1), dtype=np.float32)
    ground = ((low + (high - low) * cloud) * shade).astype(np.float32)
    back = removal.backdrop
    return np.where(back[..., None], ground, tint), np.where(back, np.float32(1), opacity)


def _noise(sigma: float, gone: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Depth noise (h, w) metres for replaced surfaces, neighbours alike as from a real decoder; 0 elsewhere."""
    if not gone.any():
        return np.zeros(gone.shape, np.float32)
    white = ndimage.gaussian_filter(rng.standard_normal(gone.shape, dtype=np.float32), 0.7)
    return (white / white.std() * sigma * gone).astype(np.float32)
