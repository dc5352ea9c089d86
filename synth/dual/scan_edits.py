"""One defect of a spec on a scan: draw it, change its patch or bend the part, and refuse what would not show."""

from __future__ import annotations

from typing import Any

import numpy as np

from synth.dual.arrays import grow
from synth.dual.bending import bend_scene
from synth.dual.canvas import SLACK, Canvas, Edit
from synth.dual.dense import LEAST_STEP, change, stack
from synth.dual.light import to_bytes
from synth.dual.patch import Patch, plan_patch, surroundings
from synth.dual.profiles import Hinge
from synth.dual.scene import Scene
from synth.dual.seeds import defect_streams, instance_seed, stream
from synth.dual.spec import DefectSpec
from synth.errors import GeneratorError
from synth.sample import Instance

LEAST_AREA = 12
"""Pixels of a mask, at least."""
LEAST_BENT = 50
"""Pixels of a bend's mask, at least."""
LEAST_TONE = 8
"""Grey levels by which a channel of a bent part has to change to count."""
MOST_INVALID = 0.4
"""Share of a mask that may newly return no depth, except of types that may lose it."""


def with_defect(canvas: Canvas, spec: DefectSpec, seed: int, attempt: int, baseline: float) -> Canvas:
    """The canvas with one more defect of a spec, by one attempt of the sample's seed. GeneratorError where it has no
    place, meets another defect or would not show."""
    scene = canvas.scene
    patch = plan_patch(scene, spec, defect_streams(instance_seed(seed, len(canvas.instances)), attempt))
    if canvas.taken[surroundings(scene, patch.seed, patch.profile.reach)].any():
        raise GeneratorError("it met another defect")
    edit = bend_edit(canvas, patch, seed) if isinstance(patch.profile, Hinge) else patch_edit(scene, patch, baseline)
    return canvas.with_edit(edit, Instance(spec.type, {**_parameters(scene, patch, edit), "attempt": attempt}))


def patch_edit(scene: Scene, patch: Patch, baseline: float) -> Edit:
    """The edit of a planned patch; GeneratorError for one that is too small, lost in the noise or mostly no return."""
    done = change(stack([scene], [patch], baseline))
    xyz, linear, geometry, colour = done.xyz[0], done.linear[0], done.mask_geo[0], done.mask_rgb[0]
    valid = patch.xyz[..., 2] > 0
    _refuse(patch, geometry, geometry | colour, valid & (xyz[..., 2] == 0))
    image = scene.image[patch.box].copy()
    repainted = valid & (linear != patch.linear).any(-1)
    image[repainted] = to_bytes(linear[repainted])
    core = patch.opacity > 0.5
    if amplitude := abs(patch.profile.amplitude):
        core |= (np.abs(done.height[0]) > 0.5 * amplitude) | patch.gone
    return Edit(patch.box, np.where(valid[..., None], xyz, patch.xyz), image, geometry, colour, core)


def bend_edit(canvas: Canvas, patch: Patch, seed: int) -> Edit:
    """The edit of a part that is bent at a planned place, to the side that the sample's seed draws. GeneratorError
    where it hardly shows, or would move another defect."""
    scene = canvas.scene
    assert isinstance(patch.profile, Hinge)
    side = 1 if stream(seed, "bend side").random() < 0.5 else -1
    xyz, image, touched = bend_scene(scene, patch.profile, patch.seed, side)
    threshold = max(2 * scene.sigma, LEAST_STEP)
    geometry = touched & (np.linalg.norm(xyz - scene.xyz, axis=-1) > threshold)
    colour = touched & (np.abs(image.astype(np.int16) - scene.image).max(-1) > LEAST_TONE)
    mask = geometry | colour
    if mask.sum() < LEAST_BENT:
        raise GeneratorError(f"the bend changes {int(mask.sum())} px")
    if (grow(mask, SLACK) & grow(canvas.taken, SLACK)).any():
        raise GeneratorError("the bend would move another defect")
    return Edit((slice(None), slice(None)), xyz, image, geometry, colour, geometry)


def _refuse(patch: Patch, geometry: np.ndarray, mask: np.ndarray, lost: np.ndarray) -> None:
    spec, area = patch.spec, np.count_nonzero(mask)
    if area < LEAST_AREA:
        raise GeneratorError(f"its mask has {area} px")
    if spec.kind.geometric and patch.visible != "rgb" and spec.min_snr > 0 and not geometry.any():
        raise GeneratorError("it is lost in the depth noise")
    newly = np.count_nonzero(mask & lost)
    if not spec.kind.loses_depth and newly > MOST_INVALID * area:
        raise GeneratorError(f"{newly / area:.0%} of it returns no depth")


def _parameters(scene: Scene, patch: Patch, edit: Edit) -> dict[str, Any]:
    """What is known of a defect, in millimetres, degrees and pixels; plain types."""
    amplitude = float(patch.profile.amplitude)
    return {
        "amplitude_mm": round(1e3 * amplitude, 4),
        "reach_mm": round(1e3 * float(patch.profile.reach), 4),
        "snr": round(abs(amplitude) / scene.sigma, 3) if scene.sigma else None,
        "visible_in": edit.visible_in,
        "kept_in": patch.visible,
        "area_px": int(np.count_nonzero(edit.mask)),
        "iterated": patch.iterate,
        **patch.parameters,
    }
