"""The real samples of a run before anything is made: their roles, their ledger, and where the products are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from synth.checks.ledger import LedgerRow, build_ledger, check_leaks
from synth.generators import GENERATORS, Progress
from synth.io.names import check_names, same_name
from synth.parts import PartFinding, settle_parts
from synth.recipe import Recipe
from synth.sample import Sample
from synth.sources import read_source
from synth.split import Split, make_split


class Prepared(NamedTuple):
    """The real images of a run: their roles, with only the products and defect types that are asked for; the ledger of
    all; and what is known of where each product is."""

    split: Split
    ledger: list[LedgerRow]
    parts: tuple[PartFinding, ...]


def prepare(recipe: Recipe, progress: Progress) -> Prepared:
    """Read the source, fix every image's role and settle where the products are. SourceError where something asked
    for is missing, LeakError when an image has two roles."""
    request = recipe.request
    samples = _counted(read_source(recipe.source), progress)
    learns = GENERATORS[recipe.generator.kind].needs_shots
    split = make_split(samples, recipe.source, recipe.seed, request.products, request.defects, learns)
    check_names({(str(s.product), s.defect) for s in (*split.shots, *split.good_images, *split.test)})
    ledger = build_ledger(split.roles, split.hashes)
    check_leaks(ledger)
    if learns:
        shots = [s for s in split.shots if asked(s.product, request.products) and asked(s.defect, request.defects)]
        products = {s.product for s in shots}
        good_images = [good for good in split.good_images if good.product in products]
    else:
        shots, good_images = [], [good for good in split.good_images if asked(good.product, request.products)]
    kinds = {(s.product, s.defect) for s in shots}
    validation = [s for s in split.validation if (s.product, s.defect) in kinds]
    wanted = replace(split, shots=shots, good_images=good_images, validation=validation)
    settled, findings = settle_parts(wanted, recipe.source)
    return Prepared(settled, ledger, findings)


def check_generator(recipe: Recipe, prepared: Prepared, folder: Path) -> None:
    """Open the generator and have it look at what it will be given. GeneratorError for whatever it would refuse later,
    when it learns or draws."""
    generator = GENERATORS[recipe.generator.kind].open(recipe.generator, folder, recipe.seed)
    names = {str(name) for row in prepared.ledger for name in (row.product, row.defect) if name}
    generator.check(prepared.split.shots, prepared.split.good_images, names)


def placement_notes(recipe: Recipe, good_images: Sequence[Sample]) -> tuple[str, ...]:
    """What a generator that places shots' defects takes for granted, for people; nothing for the others."""
    if getattr(recipe.generator, "placement", "anywhere") == "anywhere":
        return ()
    from synth.placing.notes import turning_notes

    return turning_notes(good_images, getattr(recipe.generator, "turn", None))


def _counted(samples: Iterable[Sample], progress: Progress) -> Iterator[Sample]:
    for done, sample in enumerate(samples, start=1):
        yield sample
        progress("reading", done, 0)


def asked(name: str | None, wanted: str | Sequence[str]) -> bool:
    """Whether a name is among those wanted, "all" or a list."""
    return wanted == "all" or any(same_name(name or "", other) for other in wanted)


def silent(stage: str, done: int, total: int) -> None:
    """The progress of one who does not watch."""
