"""From changed patches back to a sample: masks, revert of unlabelled change, quality, record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from synth.dual.arrays import grow
from synth.dual.light import to_bytes
from synth.dual.patch import Patch
from synth.dual.profiles import Hinge
from synth.dual.scene import Scene
from synth.sample import Instance

SLACK = 2
"""Pixels around a mask in which changes may stay; everything further away is put back."""
LEAST_AREA = 12
MOST_INVALID = 0.4


@dataclass(frozen=True, slots=True)
class Marks:
    """Masks of one sample, each (H, W): bool `geo`, `rgb`, `core` (half the height or more), int16 `instances`."""

    geo: np.ndarray
    rgb: np.ndarray
    core: np.ndarray
    instances: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Marks:
        geo, rgb, core = (np.zeros(shape, bool) for _ in range(3))
        return cls(geo, rgb, core, np.zeros(shape, np.int16))

    @property
    def any(self) -> np.ndarray:
        """Defect in any modality, bool (H, W)."""
        return self.geo | self.rgb


def put_back(
    scene: Scene,
    patch: Patch,
    xyz: np.ndarray,
    linear: np.ndarray,
    masks: tuple[np.ndarray, np.ndarray],
    height: np.ndarray,
    image: np.ndarray,
    cloud: np.ndarray,
    marks: Marks,
    number: int,
) -> str | None:
    """Write one changed patch (h, w) into image and cloud (the sample's own copies) and its masks into `marks`; returns
    why it was refused, and then has written nothing.

    What changed further than SLACK px from the mask is reverted, so that no edit stays without a label."""
    box = patch.box
    geo, rgb = masks
    mask = geo | rgb
    reason = _refusal(patch, mask, geo, xyz)
    if reason is not None:
        return reason
    keep = grow(mask, SLACK) & (patch.xyz[..., 2] > 0)
    moved = keep & (xyz != patch.xyz).any(-1)
    repainted = keep & (linear != patch.linear).any(-1)
    cloud[box][moved] = xyz[moved]
    image[box][repainted] = to_bytes(linear[repainted])
    amplitude = abs(patch.profile.amplitude)
    core = (np.abs(height) > 0.5 * amplitude) | patch.gone | (patch.opacity > 0.5) if amplitude else patch.opacity > 0.5
    marks.geo[box] |= geo
    marks.rgb[box] |= rgb
    marks.core[box] |= core & mask
    marks.instances[box][mask] = number
    return None


def record(scene: Scene, patch: Patch, marks: Marks, number: int, parameters: dict[str, Any]) -> Instance:
    """What is known of one defect, in millimetres, degrees and pixels; plain types."""
    # A bend changes what lies beyond its patch.
    box = ... if isinstance(patch.profile, Hinge) else patch.box
    own = marks.instances[box] == number
    geo, rgb = bool((own & marks.geo[box]).any()), bool((own & marks.rgb[box]).any())
    parameters = {
        "amplitude_mm": round(1e3 * float(patch.profile.amplitude), 4),
        "reach_mm": round(1e3 * float(patch.profile.reach), 4),
        "snr": round(abs(float(patch.profile.amplitude)) / scene.sigma, 3) if scene.sigma else None,
        "visible_in": "both" if geo and rgb else "geo" if geo else "rgb",
        "kept_in": patch.visible,
        "area_px": int(np.count_nonzero(own)),
        "iterated": patch.iterate,
        **patch.parameters,
        **parameters,
    }
    return Instance(patch.spec.type, parameters)


def _refusal(patch: Patch, mask: np.ndarray, geo: np.ndarray, xyz: np.ndarray) -> str | None:
    area = np.count_nonzero(mask)
    if area < LEAST_AREA:
        return f"its mask has {area} px"
    if patch.spec.geometric and patch.visible != "rgb" and patch.spec.min_snr > 0 and not geo.any():
        return "it is lost in the depth noise"
    if patch.spec.type in ("through_hole", "cut", "crack"):
        return None
    newly = np.count_nonzero(mask & (patch.xyz[..., 2] > 0) & (xyz[..., 2] == 0))
    return f"{newly / area:.0%} of it returns no depth" if newly > MOST_INVALID * area else None
