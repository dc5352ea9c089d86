"""What a recipe would make, counted without training: `flawsmith run RECIPE --dry-run`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synth.checks.ledger import counts_by_type, validation_shots
from synth.generators import Judge, Progress
from synth.io.png import png_bytes
from synth.parts import PartFinding
from synth.pipeline.forecast import Forecast, forecast
from synth.pipeline.plan import plan
from synth.pipeline.preparation import check_generator, lacking, prepare
from synth.recipe import Recipe
from synth.sample import Sample
from synth.sources.listing import reopen


@dataclass(frozen=True, slots=True)
class Planned:
    """One product and defect type: how many samples are wanted, and from how many shots they are learnt,
    none for a generator that needs none."""

    product: str
    defect: str
    shots: int
    wanted: int
    most_drawn: int


@dataclass(frozen=True, slots=True)
class Preview:
    """A run before it is run. validation: shots kept from the generator, by product/type. disk_mb: images and masks in
    every format asked for, without the model, whose size is in the forecast. parts: where each product is, one finding
    a product; notes: what else is taken for granted."""

    recipe: str
    planned: tuple[Planned, ...]
    good_images: dict[str, int]
    validation: dict[str, int]
    test: int
    disk_mb: float
    forecast: Forecast
    parts: tuple[PartFinding, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people, line by line."""
        lines = [f"{self.recipe} would make {sum(kind.wanted for kind in self.planned)} pairs of image and mask:"]
        for kind in self.planned:
            name = f"{kind.product}/{kind.defect}"
            learnt = f" from {kind.shots} shots" if kind.shots else ""
            lines.append(f"  {name:<32} {kind.wanted:>5}{learnt}, drawing {kind.most_drawn} at most")
        good_images = ", ".join(f"{count} of {product}" for product, count in self.good_images.items())
        lines.append(f"onto good images: {good_images}; {self.test} test images are left alone")
        if self.test:
            lines.append(f"shots kept for validation: {counts_by_type(self.validation)}")
        lines.extend(finding.text for finding in self.parts)
        lines.extend(self.notes)
        lines.append(self.forecast.line(self.disk_mb))
        return lines


def preview(recipe: Recipe, progress: Progress, judge: Judge | None = None) -> Preview:
    """Read the source, open the generator, plan the run and try it out shortly; nothing is kept. Raises what these
    raise, as a run would."""
    prepared = prepare(recipe, progress)
    check_generator(recipe, prepared, Path("model"))
    split, ledger, findings, notes = prepared
    products, tested = ({str(s.product) for s in some if s.defect is None} for some in (split.good_images, split.test))
    notes += tuple(lacking(recipe, products, tested))
    shots = Counter((shot.product, shot.defect) for shot in split.shots)
    streams = plan(recipe, split.shots, split.good_images)
    planned = tuple(
        Planned(stream.product, stream.defect, shots[stream.product, stream.defect], stream.quota, stream.most_drawn)
        for stream in streams
    )
    progress("trying a few samples", 0, 1)
    expected = forecast(recipe, prepared, streams, judge)
    progress("trying a few samples", 1, 1)
    first = {good.product: good for good in reversed(split.good_images)}
    good_images = Counter(str(good.product) for good in split.good_images)
    copies = 1 + len(recipe.output.formats)
    size = sum(copies * kind.wanted * _bytes(first[kind.product]) for kind in planned)
    size += sum(copies * count * _bytes(first[product]) for product, count in good_images.items())
    counted = dict(sorted(good_images.items()))
    kept = validation_shots(ledger, {(kind.product, kind.defect) for kind in planned})
    return Preview(recipe.name, planned, counted, kept, len(split.test), size / 1e6, expected, findings, notes)


def _bytes(sample: Sample) -> int:
    image = reopen(sample).image
    return len(png_bytes(image)) if image is not None else 0
