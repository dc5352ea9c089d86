"""What detectors are measured on: good samples to learn from and test samples, a product at a time.

| place               | learns from                | measured on                                                       |
|---------------------|----------------------------|-------------------------------------------------------------------|
| a folder, a recipe, | good training images       | its test images                                                   |
| a run               |                            |                                                                   |
| a run, synthetic    | two thirds of them         | good test images, and its samples on the other third              |
| a run, both         | two thirds of them         | the one after the other                                           |

Detectors that learn from defects get the run's samples on the good images that they learn from.

A sample on a good image that a detector has learnt from shows it nothing new but the defect, so none is measured on.
Where no split says otherwise, all defective images are test images, since no detector learns from them, and so is a
third of the good ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, overload

from synth.errors import EvalError
from synth.pipeline.runs import Run
from synth.pipeline.stored import StoredSample
from synth.recipe import load_recipe, source_for
from synth.sample import Sample
from synth.sources import read_source
from synth.split import Split, make_split

Tested = Literal["real", "synthetic", "both"]
_TEST_SHARE = 3
"""Where no good image is a test image, one of so many becomes one."""
_KEPT_SHARE = 3
"""One of so many good images is kept from the detector, where its scores on synthetic samples count."""


class Opened(Sequence[Sample]):
    """Real samples as they are, perhaps closed, and then those of a run, read from its files when they are asked for:
    of a product and, where `starts` are given, on good images with these ids."""

    def __init__(self, real: Sequence[Sample], run: Run, product: str, starts: Collection[str] | None = None) -> None:
        self.real, self._run, self._product = real, run, product
        self.stored = [one for one in run.manifest if one.product == product and _starts_in(one, starts)]

    def __len__(self) -> int:
        return len(self.real) + len(self.stored)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        if index < len(self.real):
            return self.real[index]
        return self.stored[index - len(self.real)].load(self._run.path)

    def on(self, starts: Collection[str]) -> Opened:
        """The same with those samples of the run alone that lie on good images with these ids."""
        return Opened(self.real, self._run, self._product, starts)


def taught(category: Category, good: Sequence[Sample]) -> list[Sample]:
    """The category's labelled defects that lie on these of its good samples."""
    if not isinstance(category.defects, Opened):
        return [*category.defects]
    return [*category.defects.on({sample.id for sample in good})]


def contents(samples: Sequence[Sample]) -> list[str]:
    """The id of each sample with the hash of its image, none of which is opened for it."""
    real, made = (samples.real, samples.stored) if isinstance(samples, Opened) else (samples, [])
    found = [f"{sample.id} {sample.meta.get('sha256')}" for sample in real]
    return found + [" ".join([one.id, *(one.files[kind].sha256 for kind in sorted(one.files))]) for one in made]


def _starts_in(stored: StoredSample, starts: Collection[str] | None) -> bool:
    start = stored.generated.start
    return starts is None or (start is not None and start.id in starts)


@dataclass(frozen=True)
class Category:
    """One product of one data set, with real or synthetic defects to be measured on. shots: real defective samples that
    are no test samples. defects: samples of a run, for detectors that learn from them; none lies on a test image.
    notes: what was inferred, as sentences."""

    data: str
    product: str
    good: Sequence[Sample]
    test: Sequence[Sample]
    shots: Sequence[Sample] = ()
    defects: Sequence[Sample] = ()
    synthetic: bool = False
    notes: tuple[str, ...] = ()

    @property
    def of(self) -> str:
        """The data set and product, whatever is measured on."""
        return self.data if self.data == self.product else f"{self.data}/{self.product}"

    @property
    def name(self) -> str:
        return f"{self.of}, synthetic" if self.synthetic else self.of


def categories(
    place: Path, tested: Tested = "real", layout: str = "auto", overrides: Sequence[str] = ()
) -> list[Category]:
    """The products of a folder, a recipe or a run, by name. EvalError where one has no good sample to learn from or
    nothing defective to be measured on; SourceError, RecipeError and RunError where the place cannot be read."""
    run = Run(place) if (place / "recipe.yaml").is_file() else None
    if tested != "real" and run is None:
        raise EvalError(f"{place} is no run, so it has no synthetic defects; name a finished run, or test on real ones")
    recipe = run.recipe if run is not None else load_recipe(place, overrides) if place.is_file() else None
    source = source_for(place, layout, overrides) if recipe is None else recipe.source
    split = make_split(read_source(source), source, 0 if recipe is None else recipe.seed, learns=False)
    products = _products(split) if run is None else sorted({record.product for record in run.manifest})
    found = [_category(place.resolve().stem, product, split) for product in products]
    if run is not None:
        found = [replace(one, defects=on_good(one.good, run, one.product)) for one in found]
    if run is None or tested == "real":
        return [_checked(one, place) for one in found]
    made = [with_synthetic(one, run) for one in found]
    few = [replace(one, good=other.good, defects=other.defects) for one, other in zip(found, made, strict=True)]
    return [_checked(one, place) for one in (made if tested == "synthetic" else [*few, *made])]


def with_synthetic(category: Category, run: Run) -> Category:
    """The category with the run's samples in place of its defective test samples: two thirds of the good samples, drawn
    by id, are learnt from, and of the run's samples those on the others measured on. EvalError where there are none."""
    kept, learnt = kept_apart(category)
    test = Opened(_good(category.test), run, category.product, {sample.id for sample in kept})
    made = len(test) - len(_good(category.test))
    if not made:
        raise EvalError(f"no sample of {run.path} lies on one of {len(kept)} good images kept apart; make more samples")
    note = f"{category.of}: {made} synthetic samples on {len(kept)} good images, none of which is learnt from"
    defects = on_good(learnt, run, category.product)
    return replace(category, good=learnt, test=test, defects=defects, synthetic=True, notes=(*category.notes, note))


def on_good(good: Sequence[Sample], run: Run, product: str) -> Opened:
    """The run's samples on these good images."""
    return Opened([], run, product, {sample.id for sample in good})


def kept_apart(category: Category) -> tuple[list[Sample], list[Sample]]:
    """A third of the good samples, drawn by id, and the others. EvalError where there are fewer than three."""
    ranked = sorted(category.good, key=lambda one: hashlib.sha256(f"apart/{one.id}".encode()).digest())
    number = len(ranked) // _KEPT_SHARE
    if not number:
        raise EvalError(f"{category.name} has {len(ranked)} good images; at least {_KEPT_SHARE} are needed here")
    return ranked[:number], ranked[number:]


def _products(split: Split) -> list[str]:
    return sorted({str(sample.product) for sample in [*split.good_images, *split.test]})


def _category(data: str, product: str, split: Split) -> Category:
    good, shots, validation, test = (
        [sample for sample in part if sample.product == product]
        for part in (split.good_images, split.shots, split.validation, split.test)
    )
    notes = []
    if not any(sample.defect is not None for sample in test) and (shots or validation):
        notes.append(f"{product}: no split names defective test images, so all {len(shots) + len(validation)} are")
        test, shots, validation = [*test, *shots, *validation], [], []
    if not _good(test):
        kept = sorted(good, key=lambda sample: hashlib.sha256(f"test/{sample.id}".encode()).digest())
        chosen = {sample.id for sample in kept[: len(kept) // _TEST_SHARE]}
        test += [sample for sample in good if sample.id in chosen]
        good = [sample for sample in good if sample.id not in chosen]
        notes.append(f"{product}: no split names good test images, so {len(chosen)} of {len(kept)}, drawn by id, are")
    return Category(data, product, good, test, [*shots, *validation], notes=tuple(notes))


def _good(samples: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.defect is None]


def _checked(category: Category, place: Path) -> Category:
    if not category.good:
        raise EvalError(f"{place} has no good images of {category.product} to learn from; put some into a folder good")
    if not category.synthetic and all(sample.defect is None for sample in category.test):
        raise EvalError(f"{place} has no defective test image of {category.product}; nothing can be measured on it")
    return category


def shots_of(good: Sequence[Sample], shots: int | None, draw: int) -> list[Sample]:
    """All good samples, or so many of them: a draw that depends on the ids and its number alone, fewer shots being part
    of more. EvalError where there are not as many."""
    if shots is None:
        return list(good)
    if shots > len(good):
        raise EvalError(f"{shots} good samples are asked for and {len(good)} are there; choose fewer shots")
    ranked = sorted(good, key=lambda sample: hashlib.sha256(f"shots/{draw}/{sample.id}".encode()).digest())
    return ranked[:shots]


def chunks(samples: Sequence[Sample], size: int) -> Iterator[Sequence[Sample]]:
    """The samples, so many at a time."""
    return (samples[start : start + size] for start in range(0, len(samples), size))
