"""`DualSynthesizer`: one defect in the image, the depth and the cloud of a good sample at once.

>>> DualSynthesizer("dent").draw(good_sample, seed=7)

The sample may have an image with an organised cloud, or an unorganised cloud. What comes out depends on the sample, the
specs and the seed alone (see `synth.dual.seeds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import ValidationError

from synth.dual.attempts import ATTEMPTS, first_success
from synth.dual.canvas import Canvas, finished_scan
from synth.dual.memory import Memory
from synth.dual.partial import partial_view
from synth.dual.scan_edits import with_defect
from synth.dual.scene import Scene, prepare
from synth.dual.seeds import stream
from synth.dual.spec import DefectSpec
from synth.dual.surface import Surface, prepare_surface
from synth.dual.unorganised import draw_on_cloud
from synth.errors import GeneratorError, SampleError
from synth.printable import shown
from synth.sample import Sample

BASELINE = 0.1
"""Metres from the camera to the projector, to its right."""


class DualSynthesizer:
    """Draws defects of one spec, or of several in one sample, onto good samples.

    defects: a type of `synth.dual.types.TYPES`, a DefectSpec, or a sequence of both; for published schemes see
    `synth.dual.presets.create`. `baseline` metres: where the sensor's projector stands (0 = no shadows).
    `partial`: of unorganised clouds, keep what is seen from one random side (see `synth.dual.partial`)."""

    def __init__(
        self,
        defects: str | DefectSpec | Sequence[str | DefectSpec],
        baseline: float = BASELINE,
        partial: bool = False,
    ) -> None:
        given = list(defects) if isinstance(defects, Sequence) and not isinstance(defects, str) else [defects]
        self.specs = [spec if isinstance(spec, DefectSpec) else _spec(spec) for spec in given]
        self.baseline = baseline
        self.partial = partial
        self._scenes: Memory[Scene] = Memory(prepare)
        self._surfaces: Memory[Surface] = Memory(_prepared_surface)

    def draw(self, sample: Sample, seed: int) -> Sample:
        """The sample with its defects: image, xyz or cloud, mask; instances and their masks are in its provenance.
        GeneratorError, with the last reason, where no draw succeeds."""
        if not isinstance(sample, Sample):
            raise GeneratorError(f"a sample is {shown(sample)}, wanted a Sample, as flawsmith.read gives them")
        if sample.xyz is None and sample.cloud is not None:
            drawn = draw_on_cloud(sample, self._wanted(seed), seed, self.surface(sample))
            return partial_view(drawn, stream(seed, "view")) if self.partial else drawn
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
        canvas = Canvas.of(scene)
        for spec in self._wanted(seed):
            attempt = partial(with_defect, canvas, spec, seed, baseline=self.baseline)
            canvas = first_success(ATTEMPTS, attempt, f"{scene.id}: no {spec.type}")
        return finished_scan(canvas, sample, seed)

    def _wanted(self, seed: int) -> list[DefectSpec]:
        if all(low == high for low, high in (spec.count for spec in self.specs)):
            return [spec for spec in self.specs for _ in range(spec.count[0])]
        rng = stream(seed, "count")
        return [spec for spec in self.specs for _ in range(rng.integers(spec.count[0], spec.count[1] + 1))]


def _prepared_surface(sample: Sample) -> Surface:
    if sample.cloud is None:
        raise SampleError(f"{sample.id} has no unorganised cloud")
    return prepare_surface(sample.id, sample.cloud)


def _spec(name: str) -> DefectSpec:
    if not isinstance(name, str):
        raise GeneratorError(f"a defect is {shown(name)}, wanted the name of a type or a DefectSpec")
    try:
        return DefectSpec.of(name)
    except ValidationError as error:
        raise GeneratorError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None
