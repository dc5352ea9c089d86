"""What only the images of a product together show: values of white that differ, masks that are inverted, and images
that are turned away from their masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

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
        product, meta = str(sample.product), sample.meta
        if meta["white"] is not None:
            self.whites[product].setdefault(meta["white"], meta["file"])
        if meta.get("fits"):
            self.fits[product].append((meta["file"], meta["fits"]))
        if sample.defect is None or meta["mask_file"] is None or meta["entry"].reading.inverted_masks == "accept":
            return
        if sample.mask is not None and sample.mask.any():
            large = float(sample.mask.mean()) > HALF
            self.masks[product, sample.defect].append((meta["mask_file"], large))

    def problems(self) -> Iterator[Problem]:
        """What the samples so far do not agree on."""
        for whites in self.whites.values():
            if len(whites) > 1:
                yield _differing_whites(whites)
        for product, fits in self.fits.items():
            stored = [file for file, way in fits if way == "stored"]
            if 2 * len(stored) > len(fits):
                what = (
                    "is turned by its EXIF tag and its mask is not, and the mask fits the image only as both are "
                    f"stored, as in {len(stored)} of {len(fits)} such images of {product} that show it"
                )
                yield Problem(stored[0], what, "say source.orientation: stored, or exif if the masks are right")
        for (product, defect), masks in self.masks.items():
            large = [file for file, is_large in masks if is_large]
            if 2 * len(large) > len(masks):
                what = (
                    f"marks more than half of its image, as do {len(large)} of the {len(masks)} masks of {product}/"
                    f"{defect}: black and white seem to be swapped"
                )
                yield Problem(large[0], what, "say source.inverted_masks: invert, or accept if they mark the defect")


def _differing_whites(files: Mapping[int, str]) -> Problem:
    """The problem that deep images of one product, one file for each value of white, would be scaled differently."""
    (low, dark), (high, bright) = min(files.items()), max(files.items())
    what = f"is read with {low} as white, {bright} with {high}, as their brightest pixels suggest"
    return Problem(str(dark), what, f"say in the recipe what is white, such as source.white_level: {high}")
