"""The synthesizer as one of the generators that a recipe names: `DualGenerator`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from synth.dual.attempts import first_success
from synth.dual.config import DualConfig
from synth.dual.seeds import stream
from synth.dual.synthesizer import DualSynthesizer
from synth.errors import GeneratorError, SampleError
from synth.generators import Progress, Request, origin_of
from synth.io.cloud_image import image_of_defect
from synth.io.user_masks import check_room, check_shape, read_region, stretch
from synth.sample import Provenance, Sample
from synth.sources.listing import has_cloud, has_xyz, is_colourless, reopen, size_of

GOOD_IMAGES_TRIED = 5


class DrawnOnGoodImages:
    """Draws each request onto a good sample that the request's seed picks; another one where that has no room.

    kind: the generator's name; synthesizers: by the name of the defect that is asked for."""

    def __init__(self, kind: str, synthesizers: Mapping[str, DualSynthesizer]) -> None:
        self._kind, self._synthesizers = kind, synthesizers
        shared = next(iter(synthesizers.values()))
        for one in synthesizers.values():
            one.share(shared)
        self._good_images: dict[str, list[Sample]] = {}

    def check(self, shots: Sequence[Sample], good_images: Sequence[Sample], names: Collection[str]) -> None:
        """GeneratorError for a good sample without geometry."""
        for good in good_images:
            if not (has_xyz(good) or has_cloud(good)):
                raise GeneratorError(
                    f"{good.id} has an image alone, this generator needs depth: read a source with xyz or clouds"
                )

    def fit(self, shots: Sequence[Sample], good_images: Sequence[Sample], progress: Progress | None = None) -> None:
        """Keep the good images. GeneratorError as `check` raises it."""
        self.check(shots, good_images, ())
        self._good_images = {}
        for good in sorted(good_images, key=lambda one: one.id):
            self._good_images.setdefault(str(good.product), []).append(good)

    def surroundings(self, product: str) -> None:
        """Nothing: these defects learn from no shots."""

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """One candidate a request, in order; one with an empty mask where no good sample had room."""
        return [self._draw(request) for request in requests]

    def _draw(self, request: Request) -> Sample:
        good_images = self._good_images.get(request.product, [])
        if not good_images or request.defect not in self._synthesizers:
            raise GeneratorError(
                f"nothing is known of {request.product}/{request.defect}; check what the generator draws"
            )
        synthesizer = self._synthesizers[request.defect]
        order = stream(request.seed, "good image").permutation(len(good_images))[:GOOD_IMAGES_TRIED]
        try:
            drawn = first_success(
                len(order),
                lambda k: _drawn_on(synthesizer, self._opened(good_images[order[k]]), request.seed),
                f"{request.product}: no good image has room for {request.defect}",
            )
        except GeneratorError as problem:
            return self._failed(request, reopen(good_images[order[-1]]), str(problem))
        return self._named(drawn, request)

    def _opened(self, good: Sample) -> Sample:
        """A good sample with its pixels and points, as it is drawn onto."""
        return reopen(good)

    def _failed(self, request: Request, good: Sample, reason: str) -> Sample:
        empty = None if good.mask is None else np.zeros(good.mask.shape, bool)
        provenance = Provenance(self._kind, request.seed, request.index, origin_of(good), failure=reason)
        return replace(good, id=request.id, mask=empty, defect=request.defect, provenance=provenance, meta={})

    def _named(self, drawn: Sample, request: Request) -> Sample:
        image, mask = drawn.image, drawn.mask
        if drawn.xyz is None and drawn.cloud is not None:
            image, mask = image_of_defect(drawn.cloud)
        assert drawn.provenance is not None
        return replace(
            drawn,
            id=request.id,
            image=image,
            mask=mask,
            defect=request.defect,
            split="train",
            provenance=replace(drawn.provenance, generator=self._kind, index=request.index),
            meta={},
        )


def _drawn_on(synthesizer: DualSynthesizer, good: Sample, seed: int) -> Sample:
    """What `draw` gives; GeneratorError also for a good sample that nothing can be drawn on."""
    try:
        return synthesizer.draw(good, seed)
    except SampleError as problem:
        raise GeneratorError(str(problem)) from problem


class DualGenerator(DrawnOnGoodImages):
    """The generator of kind "dual": the synthesizer's own defect types."""

    def __init__(self, config: DualConfig, folder: Path, seed: int) -> None:
        baseline = 1e-3 * config.baseline_mm
        specs = config.specs().items()
        super().__init__("dual", {name: DualSynthesizer(spec, baseline, config.partial_view) for name, spec in specs})
        self._by_colour = [name for name, spec in specs if not spec.kind.geometric]
        self._region_file = config.legal_region
        self._region = None if config.legal_region is None else read_region(config.legal_region)

    def check(self, shots: Sequence[Sample], good_images: Sequence[Sample], names: Collection[str]) -> None:
        """GeneratorError for a good sample without geometry, for a type that colours alone show on clouds that have
        none, for a legal region on clouds, which have no image that it could be laid over, and for one that fits no
        scan or leaves no place on any."""
        super().check(shots, good_images, names)
        for name in set(self._by_colour).intersection(names):
            if good_images and all(is_colourless(good) for good in good_images):
                raise GeneratorError(
                    f"generator.types: a {name} shows in colours alone, and the clouds have none; leave it out"
                )
        if self._region is None:
            return
        for good in good_images:
            if not has_xyz(good):
                raise GeneratorError(f"{good.id} is a cloud; generator.legal_region is for RGB-D scans, leave it out")
        what = f"generator.legal_region: {self._region_file}"
        check_shape(what, self._region.shape, map(size_of, good_images))
        scans = (reopen(good).xyz for good in good_images)
        check_room(what, self._region, (xyz[..., 2] > 0 for xyz in scans if xyz is not None))

    def fit(self, shots: Sequence[Sample], good_images: Sequence[Sample], progress: Progress | None = None) -> None:
        """Keep the good images. GeneratorError as `check` raises it."""
        self.check(shots, good_images, ())
        super().fit(shots, good_images, progress)

    def _opened(self, good: Sample) -> Sample:
        good = reopen(good)
        if self._region is None or good.xyz is None:
            return good
        height, width = good.xyz.shape[:2]
        return replace(good, meta={**good.meta, "allowed": stretch(self._region, (height, width))})
