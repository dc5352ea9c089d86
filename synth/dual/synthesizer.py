"""`DualSynthesizer`: one defect in the image, the depth and the cloud of a good sample at once.

>>> DualSynthesizer("dent").draw(good_sample, seed=7)

The sample may have an image with an organised cloud, or an unorganised cloud. What comes out depends on the sample, the
specs and the seed alone. Random draws of a defect come from child streams of its seed, in the order of
`synth.dual.patch.STREAMS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from synth.dual.arrays import grow
from synth.dual.bending import bend_scene
from synth.dual.dense import change, stack
from synth.dual.memory import Memory
from synth.dual.partial import partial_view
from synth.dual.patch import Patch, plan_patch, streams, surroundings
from synth.dual.profiles import Hinge
from synth.dual.result import Marks, put_back, record
from synth.dual.scene import Scene, prepare
from synth.dual.spec import DEFAULTS, DefectSpec
from synth.dual.surface import Surface, prepare_surface
from synth.dual.unorganised import CUTS, draw_on_cloud
from synth.errors import GeneratorError, SampleError
from synth.generators import origin_of
from synth.sample import Instance, InstanceMasks, Provenance, Sample

ATTEMPTS = 20
BASELINE = 0.1
"""Metres from the camera to the projector, to its right."""


class DualSynthesizer:
    """Draws defects of one spec, or of several in one sample, onto good samples.

    defects: a type of `synth.dual.spec.DEFAULTS`, a DefectSpec, or a sequence of both; for published schemes see
    `synth.dual.presets.create`. `baseline` metres: where the sensor's projector stands (0 = no shadows).
    `partial`: of unorganised clouds, keep what is seen from one random side (see `synth.dual.partial`)."""

    def __init__(
        self,
        defects: str | DefectSpec | Sequence[str | DefectSpec],
        baseline: float = BASELINE,
        partial: bool = False,
    ) -> None:
        given = [defects] if isinstance(defects, str | DefectSpec) else list(defects)
        self.specs = [spec if isinstance(spec, DefectSpec) else _spec(spec) for spec in given]
        self.baseline = baseline
        self.partial = partial
        self._scenes: Memory[Scene] = Memory(prepare)
        self._surfaces: Memory[Surface] = Memory(_prepared_surface)

    def draw(self, sample: Sample, seed: int) -> Sample:
        """The sample with its defects: image, xyz or cloud, mask; instances and their masks are in its provenance.
        GeneratorError, with the last reason, where no draw succeeds."""
        if sample.xyz is None and sample.cloud is not None:
            # What takes material away or bends the part comes first: the others are laid on what is left.
            wanted = sorted(self._wanted(seed), key=lambda spec: spec.type not in CUTS)
            drawn = draw_on_cloud(sample, wanted, seed, self.surface(sample))
            return partial_view(drawn, np.random.default_rng([seed, 80])) if self.partial else drawn
        return self.draw_on(self.scene(sample), sample, seed)

    def scene(self, sample: Sample) -> Scene:
        """The sample's image and organised cloud prepared, or remembered (see `synth.dual.memory`)."""
        return self._scenes.get(sample)

    def surface(self, sample: Sample) -> Surface:
        """The sample's unorganised cloud prepared, or remembered (see `synth.dual.memory`)."""
        return self._surfaces.get(sample)

    def share(self, other: DualSynthesizer) -> None:
        """Remember prepared samples together with another synthesizer."""
        self._scenes, self._surfaces = other._scenes, other._surfaces

    def draw_on(self, scene: Scene, sample: Sample, seed: int) -> Sample:
        """`draw` on a scene that was prepared before."""
        image, cloud, marks = scene.image.copy(), scene.xyz.copy(), Marks.empty(scene.shape)
        instances: list[Instance] = []
        for index, spec in enumerate(self._wanted(seed)):
            instances.append(self._add(scene, spec, seed, index, image, cloud, marks))
        return finished(scene, sample, image, cloud, marks, instances, seed)

    def _wanted(self, seed: int) -> list[DefectSpec]:
        if all(low == high for low, high in (spec.count for spec in self.specs)):
            return [spec for spec in self.specs for _ in range(spec.count[0])]
        rng = np.random.default_rng([seed, 77])
        return [spec for spec in self.specs for _ in range(rng.integers(spec.count[0], spec.count[1] + 1))]

    def _add(
        self,
        scene: Scene,
        spec: DefectSpec,
        seed: int,
        index: int,
        image: np.ndarray,
        cloud: np.ndarray,
        marks: Marks,
    ) -> Instance:
        """One more defect, written into image, cloud and marks (the sample's own); returns what is known of it."""
        reason = "no attempt was made"
        for attempt in range(ATTEMPTS):
            try:
                patch = plan_patch(scene, spec, streams(seed + 1_000_003 * index, attempt))
            except GeneratorError as problem:
                reason = str(problem)
                continue
            if index and _touches(scene, marks, patch):
                reason = "it met another defect"
                continue
            if isinstance(patch.profile, Hinge):
                refused = _bend(scene, patch, seed, image, cloud, marks, index + 1)
                if refused is not None:
                    reason = refused
                    continue
            else:
                done = change(stack([scene], [patch], self.baseline))
                masks = (done.mask_geo[0], done.mask_rgb[0])
                parts = (done.xyz[0], done.linear[0], masks, done.height[0])
                refused = put_back(scene, patch, *parts, image, cloud, marks, index + 1)
                if refused is not None:
                    reason = refused
                    continue
            return record(scene, patch, marks, index + 1, {"attempt": attempt})
        raise GeneratorError(f"{scene.id}: no {spec.type} in {ATTEMPTS} attempts, the last one because {reason}")


def finished(
    scene: Scene,
    sample: Sample,
    image: np.ndarray,
    cloud: np.ndarray,
    marks: Marks,
    instances: Sequence[Instance],
    seed: int,
) -> Sample:
    """The defective version of a good sample."""
    kinds = {instance.type for instance in instances}
    return replace(
        sample,
        image=image,
        xyz=cloud,
        mask=marks.any,
        defect=kinds.pop() if len(kinds) == 1 else "combined",
        provenance=Provenance(
            "dual",
            seed,
            start=origin_of(sample, xyz=sample.xyz, depth_noise=scene.sigma),
            instances=tuple(instances),
            masks=InstanceMasks(marks.instances, marks.geo, marks.rgb, marks.core),
        ),
    )


def _prepared_surface(sample: Sample) -> Surface:
    if sample.cloud is None:
        raise SampleError(f"{sample.id} has no unorganised cloud")
    return prepare_surface(sample.id, sample.cloud)


def _spec(name: str) -> DefectSpec:
    if name in DEFAULTS:
        return DefectSpec.of(name)
    import difflib

    near = difflib.get_close_matches(name, DEFAULTS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(DEFAULTS)}"
    raise GeneratorError(f"defect type {name!r} is unknown; {hint}")


def _touches(scene: Scene, marks: Marks, patch: Patch) -> bool:
    """Whether an earlier defect lies within one and a half times the patch's reach."""
    return bool((marks.instances[surroundings(scene, patch.seed, patch.profile.reach)] > 0).any())


def _bend(
    scene: Scene, patch: Patch, seed: int, image: np.ndarray, cloud: np.ndarray, marks: Marks, number: int
) -> str | None:
    """Bend the part in image and cloud (the sample's own copies) and label it; returns why it was refused, and then has
    written nothing. What was changed before stays: a bend that would move an earlier defect is refused."""
    assert isinstance(patch.profile, Hinge)
    side = 1 if np.random.default_rng([seed, 78]).random() < 0.5 else -1
    xyz, bent_image, touched = bend_scene(scene, patch.profile, patch.seed, side)
    geo = touched & (np.linalg.norm(xyz - scene.xyz, axis=-1) > max(2 * scene.sigma, 3e-5))
    rgb = touched & (np.abs(bent_image.astype(np.int16) - scene.image).max(-1) > 8)
    mask = geo | rgb
    if mask.sum() < 50:
        return f"the bend changes {int(mask.sum())} px"
    keep = grow(mask, 2)
    if (keep & grow(marks.any, 2)).any():
        return "the bend would move another defect"
    image[keep], cloud[keep] = bent_image[keep], xyz[keep]
    marks.geo[...] |= geo
    marks.rgb[...] |= rgb
    marks.core[...] |= geo
    marks.instances[mask] = number
    return None
