"""Copy-paste: the shots' own defects on good images, where their surroundings fit; simple, quick and hard to beat.

Pixels and masks are those of the shots, moved together, so that a label is as right as the shot's own. What varies is
the good image, the place, the turn and the size, within what the product allows (`synth.placing.surroundings`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from synth.baselines.config import CopyPasteConfig
from synth.baselines.painter import Material, check_material
from synth.generators import Progress, Request, sample_of, unplaced
from synth.parts import part_of
from synth.placing.paste import paste
from synth.placing.surroundings import Surroundings
from synth.sample import Sample
from synth.sources.listing import reopen


class CopyPasteGenerator:
    """Learns nothing but where each defect's surroundings fit, which takes about a second a defect type."""

    def __init__(self, config: CopyPasteConfig, folder: Path | None = None, seed: int = 0) -> None:
        self._config = config
        self._material = Material([], [])
        self._surroundings: dict[str, Surroundings] = {}

    def check(self, shots: Sequence[Sample], good_images: Sequence[Sample], names: Collection[str]) -> None:
        """GeneratorError where a product has no good image."""
        check_material(shots, good_images)

    def fit(self, shots: Sequence[Sample], good_images: Sequence[Sample], progress: Progress | None = None) -> None:
        """Look at shots and good parts."""
        self._material = Material(shots, good_images)
        self._surroundings = {}

    def surroundings(self, product: str) -> Surroundings | None:
        """What the context of this product's defects is compared with; None where they may go anywhere."""
        return None if self._config.placement == "anywhere" else self._known(product)

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """One candidate a request, in order; one without a mask where no place was found."""
        return [self._draw(request) for request in requests]

    def _known(self, product: str) -> Surroundings:
        if product not in self._surroundings:
            config = self._config
            shots, good_images = self._material.all_shots(product), self._material.good_images(product)
            self._surroundings[product] = Surroundings(shots, good_images, config.turn, config.mirror, config.scale)
        return self._surroundings[product]

    def _draw(self, request: Request) -> Sample:
        self._material.shots(request)
        config, known, rng = self._config, self._known(request.product), np.random.default_rng(request.seed)
        allowed = part_of if config.placement == "anywhere" else None
        placed = known.place(request.defect, rng, config.placement, allowed, request.index)
        if placed is None:
            return unplaced(request, "copy_paste", reopen(self._material.good_images(request.product)[0]))
        assert placed.good.image is not None
        contrast = rng.uniform(*config.contrast)
        image, mask = paste(placed.good.image, placed.crop, placed.pose, config.feather, contrast)
        return sample_of(request, "copy_paste", placed.good, image, mask, part_of(placed.good))
