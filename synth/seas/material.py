"""What few-shot generation is made from, and what it cannot be made from."""

from __future__ import annotations

from collections.abc import Sequence

from synth.errors import GeneratorError
from synth.sample import Sample
from synth.sources.listing import has_image


def require_material(shots: Sequence[Sample], good_images: Sequence[Sample]) -> None:
    """GeneratorError for shots and good images of one product that nothing can be learnt from."""
    if not shots or not good_images:
        raise GeneratorError(
            f"it takes shots and good images of a product; it got {len(shots)} shots and {len(good_images)} good images"
        )
    products = {sample.product for sample in (*shots, *good_images)}
    if len(products) > 1:
        raise GeneratorError(f"one model is one product's; it got {sorted(map(str, products))}")
    for sample in (*shots, *good_images):
        if not has_image(sample):
            raise GeneratorError(f"{sample.id} has no image")
    for shot in shots:
        if shot.defect is None:
            raise GeneratorError(f"shot {shot.id} names no defect type; good parts belong to the good images")
        if shot.mask is None or not shot.mask.any():
            raise GeneratorError(f"shot {shot.id} has no defect pixel in its mask: correct the mask or leave it out")
