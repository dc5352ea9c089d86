"""Many defects at once in torch, on a CPU or a GPU, for synthesis while a detector trains.

What is drawn is drawn as for a single sample, from the sample's own seed; the pixels then go through the same
arithmetic (`synth.dual.dense`) side by side. So a result does not depend on its batch mates or on the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from synth.dual.dense import Change, Stack, change, stack
from synth.dual.light import Light
from synth.dual.patch import Patch, plan_patch
from synth.dual.profiles import Hinge
from synth.dual.scene import Scene
from synth.dual.seeds import defect_streams
from synth.dual.spec import DefectSpec
from synth.errors import GeneratorError
from synth.io.camera import Camera


@dataclass(frozen=True, slots=True)
class Drawn:
    """One sample of a batch: its patch and, cut to the patch, xyz (h, w, 3) metres, linear (h, w, 3) light in [0, 1],
    mask_geo and mask_rgb (h, w) bool, tensors on the device."""

    patch: Patch
    xyz: torch.Tensor
    linear: torch.Tensor
    mask_geo: torch.Tensor
    mask_rgb: torch.Tensor


def draw_batch(
    scenes: Sequence[Scene], spec: DefectSpec, seeds: Sequence[int], device: str = "cpu", baseline: float = 0.1
) -> list[Drawn]:
    """One defect of `spec` for each (scene, seed), the first attempt of each. GeneratorError for bends, which move
    whole parts and are drawn one by one."""
    patches = [plan_patch(scene, spec, defect_streams(seed, 0)) for scene, seed in zip(scenes, seeds, strict=True)]
    if any(isinstance(patch.profile, Hinge) for patch in patches):
        raise GeneratorError("a bend moves the whole part; draw it with DualSynthesizer")
    drawn: dict[int, Drawn] = {}
    for iterate in (False, True):
        members = [k for k, patch in enumerate(patches) if patch.iterate == iterate]
        if members:
            stacked = stack([scenes[k] for k in members], [patches[k] for k in members], baseline)
            done = change(on_device(stacked, device))
            drawn |= {k: _cut(patches[k], done, at) for at, k in enumerate(members)}
    return [drawn[k] for k in range(len(patches))]


def on_device(stacked: Stack, device: str) -> Stack:
    """The stack with every array as a tensor."""

    def moved(array: Any) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    numbers = {f.name: getattr(stacked, f.name) for f in fields(stacked)}
    arrays = {name: moved(values) for name, values in stacked.arrays.items()}
    tensors = {name: moved(value) for name, value in numbers.items() if isinstance(value, np.ndarray)}
    camera = Camera(*(moved(getattr(stacked.camera, name)) for name in Camera.__slots__))
    light = Light(moved(stacked.light.direction), moved(stacked.light.ambient))
    corner = tuple(moved(value) for value in stacked.corner)
    return replace(stacked, arrays=arrays, camera=camera, light=light, corner=corner, **tensors)


def _cut(patch: Patch, done: Change, at: int) -> Drawn:
    rows, columns = patch.height.shape
    parts = (done.xyz, done.linear, done.mask_geo, done.mask_rgb)
    return Drawn(patch, *(part[at, :rows, :columns] for part in parts))
