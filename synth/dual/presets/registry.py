"""Schemes by name, and the synthesizer that draws them."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from synth.dual.numbers import refuse_yes
from synth.dual.presets.das3d import Das3dLike
from synth.dual.presets.mpas import MpasFreedom, MpasScratch, MpasSphere
from synth.dual.presets.mpas_parts import MpasBend, MpasCrack
from synth.dual.presets.organised import OrganisedScheme, draw_on_scene
from synth.dual.presets.patches import Po3ad, R3dAd
from synth.dual.presets.perlin_blend import Draem, Dsr, EasyNet, TransFusion
from synth.dual.presets.stretch import Glfm
from synth.dual.presets.unorganised import CloudScheme, draw_on_surface
from synth.dual.scene import Scene
from synth.dual.synthesizer import DualSynthesizer
from synth.errors import GeneratorError
from synth.printable import shown
from synth.sample import Sample
from synth.sources.listing import has_cloud, has_xyz
from synth.suggest import did_you_mean

Scheme = OrganisedScheme | CloudScheme

SCHEMES: dict[str, type[Scheme]] = {
    kind.name: kind
    for kind in (
        Das3dLike,
        Draem,
        EasyNet,
        TransFusion,
        Dsr,
        Glfm,
        R3dAd,
        Po3ad,
        MpasSphere,
        MpasScratch,
        MpasCrack,
        MpasBend,
        MpasFreedom,
    )
}


class PresetSynthesizer(DualSynthesizer):
    """Draws anomalies of one published scheme onto good samples."""

    def __init__(self, made: Scheme) -> None:
        super().__init__([])
        self.scheme = made

    def draw(self, sample: Sample, seed: int) -> Sample:
        """The sample with an anomaly: image, xyz or cloud, mask or labels, and in meta `dual` the masks of each
        modality and a record. GeneratorError where no draw succeeds or the scheme does not fit the sample."""
        self.check_fits(sample)
        if isinstance(self.scheme, CloudScheme):
            return draw_on_surface(self.scheme, self.surface(sample), sample, seed)
        return self.draw_on(self.scene(sample), sample, seed)

    def check_fits(self, sample: Sample) -> None:
        """GeneratorError for a sample without the kind of cloud that the scheme works on."""
        name = self.scheme.name
        if isinstance(self.scheme, CloudScheme) and not has_cloud(sample):
            raise GeneratorError(f"{name} works on unorganised clouds, {sample.id} has none; read a source of clouds")
        if isinstance(self.scheme, OrganisedScheme) and not has_xyz(sample):
            raise GeneratorError(f"{name} works on images with xyz, {sample.id} has none; read a source of RGB-D scans")

    def draw_on(self, scene: Scene, sample: Sample, seed: int) -> Sample:
        """`draw` on a scene that was prepared before."""
        if isinstance(self.scheme, CloudScheme):
            raise GeneratorError(f"{self.scheme.name} works on unorganised clouds, {scene.id} is an RGB-D scan")
        return draw_on_scene(self.scheme, scene, sample, seed)


def create(name: str, **numbers: Any) -> PresetSynthesizer:
    """The synthesizer of a scheme, some of its numbers changed. GeneratorError for a name or number that it has not."""
    return PresetSynthesizer(scheme(name, **numbers))


def scheme(name: str, **numbers: Any) -> Scheme:
    """The scheme alone: its numbers, and its formulas on arrays."""
    if name not in SCHEMES:
        raise GeneratorError(f"scheme {name!r} is unknown; {did_you_mean(name, SCHEMES)}")
    kind = SCHEMES[name]
    try:
        refuse_yes(numbers, kind)
    except ValueError as problem:
        raise GeneratorError(f"{name}: {problem}") from None
    try:
        return kind.model_validate(numbers)
    except ValidationError as error:
        raise GeneratorError("; ".join(_problem(name, kind, found) for found in error.errors())) from None


def _problem(name: str, kind: type[Scheme], found: Any) -> str:
    place = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return f"{name}.{place} is unknown; {did_you_mean(place, kind.model_fields)}"
    return f"{name}.{place} is {shown(found['input'])}: {found['msg'].removeprefix('Value error, ')}"
