"""What every defect generator offers: `fit(shots, good_images)`, then `draw(requests)`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from synth.errors import GeneratorError
from synth.io.images import content_hash
from synth.sample import Sample

if TYPE_CHECKING:
    from synth.placing.surroundings import Surroundings

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total) while something long runs."""


@dataclass(frozen=True, slots=True)
class Request:
    """One defect asked for. `index` counts within (product, defect); `run_seed` is the recipe's seed.

    What a generator draws depends on these four values alone, not on batch mates, workers or order."""

    product: str
    defect: str
    index: int
    run_seed: int = 0

    @property
    def id(self) -> str:
        return f"{self.product}-{self.defect}-{self.index:05d}"

    @property
    def seed(self) -> int:
        """A 63-bit seed that is the same on every machine and differs for every request."""
        text = f"{self.run_seed}/{self.product}/{self.defect}/{self.index}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Generator(Protocol):
    """Learns from a few defective shots and good parts, then draws labelled defects."""

    def fit(self, shots: Sequence[Sample], good_images: Sequence[Sample], progress: Progress | None = None) -> None:
        """Learn. Continues from what an interrupted call left in the generator's folder; no-op when complete."""

    def surroundings(self, product: str) -> Surroundings | None:
        """What the context of this product's defects is compared with by the checks; None where it is not checked."""

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """One candidate a request, in order; all requests of one call name the same product."""


def sample_of(
    request: Request,
    generator: str,
    good: Sample,
    image: np.ndarray,
    mask: np.ndarray,
    part: np.ndarray | None,
    **more: Any,
) -> Sample:
    """The sample of a request, made from a good image in which the product covers `part` (H, W) bool, if known. more:
    what else its meta tells, such as `why` it has no mask."""
    if good.image is None:
        raise GeneratorError(f"{good.id} has no image to draw on")
    return Sample(
        id=request.id,
        image=image,
        mask=mask,
        product=request.product,
        defect=request.defect,
        split="train",
        meta={
            "generator": generator,
            "seed": request.seed,
            "index": request.index,
            "start": content_hash(good.image),
            "start_file": good.meta.get("file"),
            "start_image": good.image,
            "part": part,
            **more,
        },
    )


def unplaced(request: Request, generator: str, good: Sample) -> Sample:
    """What a generator gives for a request for which it found no place: a good image without a mask, and why."""
    if good.image is None:
        raise GeneratorError(f"{good.id} has no image to draw on")
    blank = np.zeros(good.image.shape[:2], bool)
    why = "no place was found where its surroundings fit"
    return sample_of(request, generator, good, good.image, blank, None, why=why)
