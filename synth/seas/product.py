"""What planning and finishing samples need to know of one product besides its model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from synth.errors import GeneratorError
from synth.parts import part_of
from synth.placing.matcher import image_of
from synth.placing.surroundings import Surroundings
from synth.sample import Sample
from synth.seas.edges import edge_level
from synth.seas.grain import is_directed
from synth.seas.marks import Mark, describe
from synth.sources.listing import is_grey

_GOOD_IMAGES_EXAMINED = 20


class Product:
    """Good images in the order of their ids, shots as marks, and where their defects fit; each on first use."""

    def __init__(self, shots: Sequence[Sample], good_images: Sequence[Sample], turn: float | None = None) -> None:
        """turn: as in `Surroundings`."""
        self.good_images = sorted(good_images, key=lambda good: good.id)
        self.grey = all(good.meta["grey"] if good.image is None else is_grey(good.image) for good in self.good_images)
        self._shots = sorted(shots, key=lambda shot: shot.id)
        self._turn = turn
        self._marks: dict[str, list[Mark]] = {}
        self._edge_levels: dict[str, float] = {}

    @cached_property
    def directed(self) -> bool:
        """Whether the good parts' grain has a direction, by up to `_GOOD_IMAGES_EXAMINED` of them."""
        examined = self.good_images[:: max(1, len(self.good_images) // _GOOD_IMAGES_EXAMINED)]
        return is_directed((image_of(good), whole_if_unknown(good)) for good in examined)

    @cached_property
    def surroundings(self) -> Surroundings:
        """What shows where defects fit."""
        return Surroundings(self._shots, self.good_images, self._turn)

    def marks(self, defect: str) -> list[Mark]:
        """The marks of one defect type, lifted out of its shots."""
        if defect not in self._marks:
            of_type = [shot for shot in self._shots if shot.defect == defect]
            self._marks[defect] = [
                describe(shot.image, shot.mask, part_of(shot))
                for shot in of_type
                if shot.image is not None and shot.mask is not None and shot.mask.any()
            ]
        if not self._marks[defect]:
            raise GeneratorError(f"no shot of {defect!r}; known types: {sorted({str(s.defect) for s in self._shots})}")
        return self._marks[defect]

    def edge_level(self, defect: str) -> float:
        """Where the outlines of this type's shots lie, as a share of their marks' strength."""
        if defect not in self._edge_levels:
            self._edge_levels[defect] = edge_level(self.marks(defect))
        return self._edge_levels[defect]


def whole_if_unknown(good: Sample) -> np.ndarray:
    """Where the product is in a good image, (H, W) bool; everywhere where that is not known."""
    part = part_of(good)
    return np.ones(image_of(good).shape[:2], bool) if part is None else part
