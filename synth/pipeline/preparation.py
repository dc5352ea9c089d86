"""The real samples of a run before anything is made: their roles, their ledger, and where the products are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from synth.checks.duplicates import Duplicates, check_leaks
from synth.checks.ledger import LedgerRow, build_ledger
from synth.errors import SourceError
from synth.generators import GENERATORS, Progress
from synth.io.names import check_names, same_name
from synth.parts import PartFinding, settle_parts
from synth.pipeline.findings import (
    Seen,
    below,
    capped,
    count_problems,
    duplicate_problems,
    part_problems,
    problems_of_all,
)
from synth.pipeline.scan_report import ScanReport
from synth.recipe import Recipe
from synth.sample import Sample
from synth.sources import list_source, read_source
from synth.sources.config import ProceduralSource
from synth.sources.listing import Listing, samples
from synth.split import BLANK, Split, drawn_note, make_split
from synth.writers import WRITERS

MEASURED = 8
"""Scans of a product that are looked at for their table before a run."""


class Prepared(NamedTuple):
    """The real images of a run: their roles, with only the products and defect types that are asked for; the ledger of
    all; what is known of where each product is; and what else was inferred or is suspicious, as sentences."""

    split: Split
    ledger: list[LedgerRow]
    parts: tuple[PartFinding, ...]
    notes: tuple[str, ...]


def prepare(recipe: Recipe, progress: Progress) -> Prepared:
    """Read the source, fix every image's role and settle where the products are. SourceError where something asked
    for is missing, LeakError when an image has two roles."""
    request = recipe.request
    listing = None if isinstance(recipe.source, ProceduralSource) else list_source(recipe.source)
    seen = Seen(Path() if listing is None else listing.root, scans=ScanReport(MEASURED))
    read = read_source(recipe.source) if listing is None else _seen(samples(listing), seen)
    learns = GENERATORS[recipe.generator.kind].needs_shots
    split = make_split(_counted(read, progress), recipe.source, recipe.seed, request.products, request.defects, learns)
    check_names({(str(s.product), s.defect) for s in (*split.shots, *split.good_images, *split.test)})
    ledger = build_ledger(split.roles, split.hashes)
    duplicates = check_leaks(ledger, accept=getattr(recipe.source, "duplicates", "error") == "warn")
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
    notes = () if listing is None else _notes(listing, seen, ledger, duplicates, findings)
    notes += drawn_notes(recipe, wanted) + placement_notes(recipe, settled.good_images)
    return Prepared(settled, ledger, findings, notes)


def _notes(
    listing: Listing,
    seen: Seen,
    ledger: Sequence[LedgerRow],
    duplicates: Sequence[Duplicates],
    findings: Sequence[PartFinding],
) -> tuple[str, ...]:
    """What was inferred, then the warnings. SourceError for the first error among the problems."""
    learnt = Counter({(row.product, row.defect): 0 for row in ledger})
    learnt.update((row.product, row.defect) for row in ledger if row.role in ("shot", "good"))
    problems = [
        *problems_of_all(listing, seen),
        *(few for few in count_problems(listing, learnt) if few.severity == "warning"),
        *duplicate_problems(listing.root, duplicates, accept=True),  # or it would have been raised
        *part_problems(findings),
    ]
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise SourceError(str(errors[0]))
    # A run is passed on: it names files within the source, and no place of this machine.
    named = [replace(problem, file=below(listing.root, problem.file)) for problem in problems]
    return (*listing.notes, *seen.notes.lines, *capped(named, "warning"))


def drawn_notes(recipe: Recipe, split: Split) -> tuple[str, ...]:
    """How many shots of the types asked for take part, for people; nothing where the recipe takes all."""
    drawn = [(str(shot.product), shot.defect) for shot in (*split.shots, *split.validation) if shot.defect]
    left = [(one.product, one.defect) for one in split.dropped if one.reason != BLANK]
    return drawn_note(recipe.source, drawn, left)


def check_generator(recipe: Recipe, prepared: Prepared, folder: Path) -> None:
    """Open the generator and have it look at what it will be given. GeneratorError for whatever it would refuse later,
    when it learns or draws."""
    generator = GENERATORS[recipe.generator.kind].open(recipe.generator, folder, recipe.seed)
    names = {str(name) for row in prepared.ledger for name in (row.product, row.defect) if name}
    names |= {name for name in getattr(recipe.generator, "types", ()) if asked(name, recipe.request.defects)}
    generator.check(prepared.split.shots, prepared.split.good_images, names)


def placement_notes(recipe: Recipe, good_images: Sequence[Sample]) -> tuple[str, ...]:
    """What a generator that places shots' defects takes for granted, for people; nothing for the others."""
    if getattr(recipe.generator, "placement", "anywhere") == "anywhere":
        return ()
    from synth.placing.notes import turning_notes

    return turning_notes(good_images, getattr(recipe.generator, "turn", None))


def _seen(samples: Iterable[Sample], seen: Seen) -> Iterator[Sample]:
    for sample in samples:
        seen.add(sample)
        yield sample


def lacking(recipe: Recipe, products: Collection[str], tested: Collection[str]) -> list[str]:
    """What the dataset of these products lacks, as sentences; `tested`: those with good images for testing."""
    names = ", ".join(sorted(set(products) - set(tested)))
    if not names or all(WRITERS[name].splits for name in recipe.output.formats):
        return []
    lack = f"no good images of {names} are kept for testing, so the dataset has no test/good, which detectors need"
    return [f"{lack}; put some into test/good of the source, or set source.test_fraction"]


def _counted(samples: Iterable[Sample], progress: Progress) -> Iterator[Sample]:
    for done, sample in enumerate(samples, start=1):
        yield sample
        progress("reading", done, 0)


def asked(name: str | None, wanted: str | Sequence[str]) -> bool:
    """Whether a name is among those wanted, "all" or a list."""
    return wanted == "all" or any(same_name(name or "", other) for other in wanted)


def silent(stage: str, done: int, total: int) -> None:
    """The progress of one who does not watch."""
