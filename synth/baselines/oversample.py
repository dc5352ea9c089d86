"""Oversampling: the shots once more, one after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from synth.baselines.config import OversampleConfig
from synth.baselines.painter import Material, check_material
from synth.generators import Progress, Request, origin_of
from synth.sample import Provenance, Sample


class OversampleGenerator:
    """Request number i is a copy of shot i, from the first again when all have had their turn."""

    def __init__(self, config: OversampleConfig, folder: Path | None = None, seed: int = 0) -> None:
        self._material = Material([], [])

    def check(self, shots: Sequence[Sample], good_images: Sequence[Sample], names: Collection[str]) -> None:
        """GeneratorError where a product has no good image."""
        check_material(shots, good_images)

    def fit(self, shots: Sequence[Sample], good_images: Sequence[Sample], progress: Progress | None = None) -> None:
        """Keep the shots at hand."""
        self._material = Material(shots, good_images)

    def surroundings(self, product: str) -> None:
        """Nothing: a shot's own context needs no check."""

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """One copy a request, in order."""
        return [self._copy(request) for request in requests]

    def _copy(self, request: Request) -> Sample:
        shots = self._material.shots(request)
        shot = shots[request.index % len(shots)]
        assert shot.image is not None
        return Sample(
            id=request.id,
            image=shot.image,
            mask=shot.mask,
            product=request.product,
            defect=request.defect,
            split="train",
            provenance=Provenance("oversample", request.seed, request.index, replace(origin_of(shot), image=None)),
        )
