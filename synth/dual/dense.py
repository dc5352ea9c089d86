"""The pixel arithmetic of a defect: one pass over patches (B, h, w), the same for numpy and torch, one or many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synth.dual.arrays import Array, dot, namespace, norm, smooth, within
from synth.dual.colour import delta_e
from synth.dual.displace import LEAST_COS, lift, lift_iterated
from synth.dual.frame import raised_normals
from synth.dual.light import Light, highlight_change, shading_change
from synth.dual.patch import Patch
from synth.dual.scene import Scene
from synth.dual.sensor import FLYING, grazing_loss, projector_shadow
from synth.io.camera import Camera

VISIBLE_E = 3.0
"""Delta E from which a change of colour counts as defect."""
LEAST_STEP = 0.03e-3
"""Metres of change from which a depth pixel counts as defect, where the noise is below it."""

_STACKED = (
    *("xyz", "normal", "linear", "height", "window", "dim", "tint", "opacity", "gone"),
    *("scale", "face_normal", "lost", "noise"),
)


@dataclass(frozen=True, slots=True)
class Stack:
    """Patches of one size with a leading batch axis; numbers of each are (B, 1, 1), vectors (B, 1, 1, 3). `replaces`,
    `paints`, `shines`: whether any of them replaces surface, has a material of its own, or gloss; what none does is
    skipped."""

    arrays: dict[str, Array]
    uniform: Array
    camera: Camera
    corner: Any
    light: Light
    gloss: Array
    power: Array
    sigma: Array
    in_image: Array
    in_depth: Array
    iterate: bool
    replaces: bool
    paints: bool
    shines: bool
    baseline: float


@dataclass(frozen=True, slots=True)
class Change:
    """What a defect does to its patch: xyz (B, h, w, 3) metres, linear (B, h, w, 3), masks (B, h, w) bool of where the
    geometry and the image change, and the heights after iteration."""

    xyz: Array
    linear: Array
    mask_geo: Array
    mask_rgb: Array
    height: Array


def stack(scenes: Sequence[Scene], patches: Sequence[Patch], baseline: float) -> Stack:
    """Patches of equal `iterate` side by side, each padded to the largest with pixels that are no returns and do not
    change."""
    shapes = [patch.height.shape for patch in patches]
    tall, wide = (max(s) for s in zip(*shapes, strict=True))

    def padded(array: np.ndarray, first: int = 0) -> np.ndarray:
        gaps = [(0, 0)] * array.ndim
        gaps[first] = (0, tall - array.shape[first])
        gaps[first + 1] = (0, wide - array.shape[first + 1])
        return np.pad(array, gaps) if any(after for _, after in gaps) else array

    def side_by_side(arrays: list[np.ndarray], axis: int = 0) -> np.ndarray:
        if len(arrays) == 1:
            return arrays[0][None] if axis == 0 else arrays[0][:, None]
        return np.stack([padded(array, axis) for array in arrays], axis)

    def column(values: Sequence[Any]) -> np.ndarray:
        numbers = np.array(values, np.float32)
        return numbers.reshape(len(patches), 1, 1, *numbers.shape[1:])

    cameras = [scene.camera for scene in scenes]
    corners = [(patch.box[0].start, patch.box[1].start) for patch in patches]
    return Stack(
        arrays={name: side_by_side([getattr(p, name) for p in patches]) for name in _STACKED},
        uniform=side_by_side([p.uniform for p in patches], 1),
        camera=Camera(*(column([getattr(c, name) for c in cameras]) for name in Camera.__slots__)),  # type: ignore[arg-type]
        corner=(column([c[0] for c in corners]), column([c[1] for c in corners])),
        light=Light(
            column([scene.light.direction for scene in scenes]),  # type: ignore[arg-type]
            column([scene.light.ambient for scene in scenes]),  # type: ignore[arg-type]
        ),
        gloss=column([p.gloss for p in patches]),
        power=column([p.power for p in patches]),
        sigma=column([scene.sigma for scene in scenes]),
        in_image=column([p.visible != "geo" for p in patches]),
        in_depth=column([p.visible != "rgb" for p in patches]),
        iterate=patches[0].iterate,
        replaces=any(p.gone.any() for p in patches),
        paints=any(p.opacity.any() for p in patches),
        shines=any(p.gloss > 0 for p in patches),
        baseline=baseline,
    )


def change(stacked: Stack) -> Change:
    """Carry the defects out: displacement on the rays, new normals, shading, material, loss of returns, masks."""
    a = stacked.arrays
    xp = namespace(a["xyz"])
    depth = norm(a["xyz"])
    valid = depth > 0
    height = a["height"] * stacked.in_depth
    lost = a["lost"]
    if stacked.iterate:
        moved, height, occluded = lift_iterated(a["xyz"], height, a["normal"], stacked.camera, stacked.corner)
        lost = lost | occluded
    else:
        moved = lift(a["xyz"], height, a["normal"])
    focal = (stacked.camera.fx, stacked.camera.fy)
    shown = raised_normals(a["xyz"], a["normal"], a["height"], focal)
    replaced = a["gone"] & valid & (stacked.in_depth > 0)
    if stacked.replaces:
        scale = a["scale"] * (1 + a["noise"] / (depth + ~valid))
        moved = xp.where(replaced[..., None], a["xyz"] * scale[..., None], moved)
        shown = xp.where(a["gone"][..., None], a["face_normal"], shown)
    lost = _lost(stacked, moved, shown, lost, depth) & (stacked.in_depth > 0)
    moved = moved * (valid & ~lost)[..., None]
    apart = norm(moved - a["xyz"])
    threshold = within(2 * stacked.sigma, LEAST_STEP)
    # What is thinner than the noise still counts where the defect replaced the surface on purpose.
    mask_geo = valid & ((apart > threshold) | ((lost | replaced) & (apart > 0)))
    linear = _image(stacked, shown)
    mask_rgb = smooth_mask(delta_e(linear, a["linear"]) > VISIBLE_E)
    return Change(moved, linear, mask_geo, mask_rgb, height)


def smooth_mask(mask: Array) -> Array:
    """A bool mask (B, h, w) after a vote of neighbours; single pixels neither come nor stay."""
    votes = smooth(mask.astype(np.float32) if isinstance(mask, np.ndarray) else mask.float(), 1.0)
    return (votes > 0.4) | (mask & (votes > 0.2))


def _image(stacked: Stack, shown: Array) -> Array:
    """The patch's image (B, h, w, 3), linear, under its new normals and material."""
    a = stacked.arrays
    weight = a["window"] * stacked.in_image
    gain = 1 + (shading_change(a["normal"], shown, stacked.light) * a["dim"] - 1) * weight
    linear = a["linear"]
    if stacked.paints:
        linear = linear + (a["opacity"] * stacked.in_image)[..., None] * (a["tint"] - linear)
    linear = linear * gain[..., None]
    if stacked.shines:
        shine = highlight_change(a["xyz"], a["normal"], shown, stacked.light, stacked.gloss, stacked.power)
        linear = linear + (shine * weight)[..., None]
    return within(linear, 0, 1)


def _lost(stacked: Stack, moved: Array, shown: Array, lost: Array, depth: Array) -> Array:
    """Pixels (B, h, w) that return nothing any more: newly grazing, in the projector's new shadow, or lost before."""
    a = stacked.arrays
    valid = depth > 0
    before, after = (-dot(n, a["xyz"]) / (depth + ~valid) for n in (a["normal"], shown))
    grazing = valid & (after < before) & (after < LEAST_COS * 2) & (moved[..., 2] != a["xyz"][..., 2])
    if not isinstance(grazing, np.ndarray) or grazing.any():
        lost = lost | (grazing & grazing_loss(after, stacked.uniform[0]))
    if stacked.baseline == 0:
        return lost
    along = namespace(moved).sign(stacked.camera.fx)
    dark = projector_shadow(moved, stacked.baseline, along)
    dark &= ~projector_shadow(a["xyz"], stacked.baseline, along)
    # Some pixels at the border of a shadow keep returning a point.
    return lost | (dark & valid & (stacked.uniform[1] > FLYING))
