"""What only the images of a product together show: values of white that differ, masks that are inverted, and images
that are turned away from their masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synth.sample import Sample
from synth.sources.problem import Problem

HALF = 0.5
"""Share of an image beyond which what a mask marks is taken for the background."""


@dataclass(slots=True)
class Agreement:
    """Collects from samples of a folder what their products have to agree on."""

    whites: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    masks: dict[tuple[str, str], list[tuple[str, bool]]] = field(default_factory=lambda: defaultdict(list))
    fits: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, sample: Sample) -> None:
        """One more sample as `synth.sources.listing.load` reads it."""
        product, file = str(sample.product), str(sample.meta["file"])
        if sample.meta["white"] is not None:
            self.whites[product].setdefault(sample.meta["white"], file)
        if sample.meta.get("fits"):
            self.fits[product].append((file, sample.meta["fits"]))
        if sample.defect is not None and sample.meta["mask_file"] and sample.mask is not None and sample.mask.any():
            covered = float(sample.mask.mean()) > HALF
            self.masks[product, sample.defect].append((sample.meta["mask_file"], covered))

    def problems(self, accept_large: bool = False) -> Iterator[Problem]:
        """The errors so far; accept_large: masks may cover more than half of their images."""
        for whites in self.whites.values():
            if len(whites) > 1:
                yield differing_whites(whites)
        for product, fits in self.fits.items():
            stored = [file for file, way in fits if way == "stored"]
            if 2 * len(stored) > len(fits):
                what = (
                    f"is turned by its EXIF tag and its mask is not, and the mask marks something only as both are "
                    f"stored, as in {len(stored)} of {len(fits)} such images of {product}"
                )
                yield Problem(stored[0], what, "say source.orientation: stored, or exif if the masks are right")
        for (product, defect), masks in () if accept_large else self.masks.items():
            large = [file for file, covered in masks if covered]
            if 2 * len(large) > len(masks):
                what = (
                    f"marks more than half of its image, as do {len(large)} of {len(masks)} masks of {product}/"
                    f"{defect}: black and white seem to be swapped"
                )
                yield Problem(large[0], what, "say source.inverted_masks: invert, or accept if they mark the defect")


def differing_whites(files: Mapping[int, str | Path]) -> Problem:
    """The problem that deep images of one product, one file for each value of white, would be scaled differently."""
    (low, dark), (high, bright) = min(files.items()), max(files.items())
    what = f"is read with {low} as white, {bright} with {high}, as their brightest pixels suggest"
    return Problem(str(dark), what, f"say in the recipe what is white, such as source.white_level: {high}")
