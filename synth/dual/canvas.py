"""The scan under work: image, cloud and masks so far. An edit takes a canvas and returns another one; none is written
to, so a refused edit leaves no trace."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from synth.dual.arrays import grow
from synth.dual.scene import Scene
from synth.generators import origin_of
from synth.sample import Instance, InstanceMasks, Provenance, Sample

SLACK = 2
"""Pixels around a mask in which changes may stay; everything further away is left as it was."""

Box = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Edit:
    """What one defect makes of a cut-out `box` of the good scan: xyz float32 (h, w, 3), image uint8 (h, w, 3), and bool
    (h, w) masks: where `geometry` and `colour` changed, and the `core`, the part of both where it is strongest."""

    box: Box
    xyz: np.ndarray
    image: np.ndarray
    geometry: np.ndarray
    colour: np.ndarray
    core: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """Where the defect is, bool (h, w)."""
        return self.geometry | self.colour

    @property
    def visible_in(self) -> str:
        """The modalities that show it: "both", "geo" or "rgb"."""
        if self.geometry.any():
            return "both" if self.colour.any() else "geo"
        return "rgb"


@dataclass(frozen=True, slots=True)
class Canvas:
    """A scan with the defects so far: image uint8 (H, W, 3), xyz float32 (H, W, 3), their masks and what is known of
    them; `scene` is the good scan."""

    scene: Scene
    image: np.ndarray
    xyz: np.ndarray
    masks: InstanceMasks
    instances: tuple[Instance, ...] = ()

    @classmethod
    def of(cls, scene: Scene) -> Canvas:
        """A good scan, without a defect yet."""
        nowhere = np.zeros(scene.shape, bool)
        masks = InstanceMasks(np.zeros(scene.shape, np.int16), nowhere, nowhere, nowhere)
        return cls(scene, scene.image, scene.xyz, masks)

    @property
    def taken(self) -> np.ndarray:
        """Where defects are already, bool (H, W)."""
        return self.masks.number > 0

    def with_edit(self, edit: Edit, instance: Instance) -> Canvas:
        """One more defect. What the edit changes further than SLACK px from its mask is left out, so that no change
        stays without a label; the core is the whole mask where the edit has none."""
        mask, near = edit.mask, grow(edit.mask, SLACK)
        moved = near & (edit.xyz != self.scene.xyz[edit.box]).any(-1)
        repainted = near & (edit.image != self.scene.image[edit.box]).any(-1)
        core = edit.core & mask
        masks = InstanceMasks(
            _filled(self.masks.number, edit.box, mask, len(self.instances) + 1),
            _filled(self.masks.geometry, edit.box, edit.geometry, True),
            _filled(self.masks.image, edit.box, edit.colour, True),
            _filled(self.masks.core, edit.box, core if core.any() else mask, True),
        )
        return replace(
            self,
            image=_filled(self.image, edit.box, repainted, edit.image[repainted]),
            xyz=_filled(self.xyz, edit.box, moved, edit.xyz[moved]),
            masks=masks,
            instances=(*self.instances, instance),
        )


def _filled(array: np.ndarray | None, box: Box, where: np.ndarray, values: np.ndarray | int) -> np.ndarray:
    """A copy with `values` at the places `where` (h, w) bool of a box."""
    assert array is not None
    copy = array.copy()
    copy[box][where] = values
    return copy


def finished_scan(canvas: Canvas, sample: Sample, seed: int) -> Sample:
    """The defective version of a good sample."""
    kinds = {instance.type for instance in canvas.instances}
    start = origin_of(sample, xyz=sample.xyz, depth_noise=canvas.scene.sigma)
    assert sample.xyz is not None
    return replace(
        sample,
        image=canvas.image,
        xyz=_moved_back(canvas, sample.xyz),
        mask=canvas.taken,
        defect=kinds.pop() if len(kinds) == 1 else "combined",
        provenance=Provenance("dual", seed, start=start, instances=canvas.instances, masks=canvas.masks),
    )


def _moved_back(canvas: Canvas, good: np.ndarray) -> np.ndarray:
    """The canvas' cloud where the good sample's cloud (H, W, 3) stands. Of an orthographic scan (see `Scene`) what
    changed is put onto its own parallel rays, and the rest stays bit for bit."""
    scene = canvas.scene
    if scene.raster is None:
        return canvas.xyz
    changed = (canvas.xyz != scene.xyz).any(-1)
    depth = canvas.xyz[changed][:, 2].astype(np.float64)
    places = scene.raster.at(*np.nonzero(changed))
    places = np.where(scene.valid[changed][:, None], good[changed][:, :2], places)
    points = np.column_stack([places, depth - scene.shift[2]])
    xyz = good.copy()
    xyz[changed] = np.where(depth[:, None] > 0, points, 0)
    return xyz
