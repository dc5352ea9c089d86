"""The data doctor: what is in a folder, what is wrong with it and how to mend it. Lists everything, touches nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from synth.checks.duplicates import find_duplicates
from synth.checks.ledger import LedgerRow, ledger_row
from synth.errors import SourceError
from synth.generators import Progress
from synth.io.own import check_own_image, write_own_image
from synth.parts import PartFinding, contact_sheet, settle_parts
from synth.pipeline.cloud_report import MeasuredCloud, cloud_lines, measured_cloud
from synth.pipeline.findings import Seen, capped, count_problems, duplicate_problems, part_problems, problems_of_all
from synth.pipeline.preparation import silent
from synth.pipeline.scan_report import ScanFacts
from synth.recipe import source_for
from synth.sample import Sample
from synth.sources import list_source
from synth.sources.config import TreeSource
from synth.sources.listing import Listing, Problem, as_problem, files_below, is_image, load
from synth.split import Split, drawn_note, keep_for_validation, likeness, not_drawn, roles_of

OVERLAY = "flawsmith inspect --overlay"
"""Marks the images that it writes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The readable images of one defect type of a product; defect None = good. A shot with a blank mask counts as
    none, as in a run. validation: shots that a run keeps from its generator by default. coverage: smallest, median and
    largest share of the image that a mask covers, None where no mask marks anything."""

    product: str
    defect: str | None
    train: int
    validation: int
    test: int
    coverage: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Report:
    """What `inspect` found. sizes: (height, width) -> images; `train` of a defect type are its shots;
    `parts`: where each product is, `notes`: what else is inferred, as a run would take it; `scans`, `clouds`: what each
    organised or unorganised cloud is like."""

    path: str
    layout: str | None
    kinds: tuple[Kind, ...] = ()
    sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    grey: int = 0
    colour: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    parts: tuple[PartFinding, ...] = ()
    notes: tuple[str, ...] = ()
    scans: tuple[ScanFacts, ...] = ()
    clouds: tuple[MeasuredCloud, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether a run could read the folder as it is."""
        return not any(problem.severity == "error" for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Everything, in plain types."""
        sizes = [{"height": h, "width": w, "images": n} for (h, w), n in sorted(self.sizes.items())]
        return {"usable": self.usable, **asdict(self), "sizes": sizes}

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The report for people, line by line."""
        lines = [f"{self.path}: layout {self.layout or 'not recognised'}"]
        for kind in self.kinds:
            role = "good" if kind.defect is None else "shots"
            masks = ""
            if kind.coverage is not None:
                low, middle, high = kind.coverage
                masks = f", masks cover {low:.2%} to {high:.2%} (median {middle:.2%})"
            kept = f", {kind.validation} kept for validation" if kind.validation else ""
            name = f"{kind.product}/{kind.defect or 'good'}"
            lines.append(f"  {name}: {kind.train} {role}{kept}, {kind.test} test{masks}")
        lines.extend(f"  {finding.text}" for finding in self.parts)
        lines.extend(f"  {note}" for note in self.notes)
        lines.extend(f"  {line}" for line in cloud_lines(self.clouds))
        if self.sizes and not self.clouds:
            low_size, high_size = (
                f"{h} x {w}" for h, w in (min(self.sizes, key=math.prod), max(self.sizes, key=math.prod))
            )
            span = low_size if len(self.sizes) == 1 else f"{len(self.sizes)} sizes from {low_size} to {high_size}"
            lines.append(f"  height x width: {span}; {self.grey} grey, {self.colour} in colour")
        if self.ignored:
            named = ", ".join(f"{count} {ending}" for ending, count in sorted(self.ignored.items()))
            lines.append(f"  ignored, being no {'clouds' if self.clouds else 'images'}: {named}")
        for severity in ("error", "warning"):
            lines.extend(capped(self.problems, severity))
        lines.append("usable as it is" if self.usable else "not usable yet: mend the errors above")
        return lines


def inspect(
    place: str | Path,
    layout: str = "auto",
    overrides: Sequence[str] = (),
    progress: Progress = silent,
    overlay: Path | None = None,
) -> Report:
    """Look at every image and mask of a folder, or of the source of a recipe file, as a run would read it; layout and
    overrides are those of `synth.recipe.source_for`. Never raises for bad data: what is wrong stands in the report.

    `overlay`: a PNG file to write, in which the product's outline and the shots' masks are drawn into a few images of
    each product (see `synth.parts.contact_sheet`). WriterError where it cannot be written, or exists and is not such a
    file."""
    if overlay is not None:
        check_own_image(overlay, OVERLAY)
    try:
        source = source_for(place, layout, overrides)
        listing = list_source(source)
    except SourceError as problem:
        return Report(str(place), None, problems=(as_problem(problem, Path(place)),))
    seen, rows, clouds = _looked_at(listing, progress)
    rows, drawn = _with_roles(rows, listing, seen, source)
    kinds = _kinds(rows, seen)
    parts, notes = _inferred(listing, source, seen, rows, overlay)
    problems = (
        *problems_of_all(listing, seen),
        *count_problems(listing, {(kind.product, kind.defect): kind.train for kind in kinds}),
        *duplicate_problems(listing.root, find_duplicates(rows), accept=source.duplicates == "warn"),
        *part_problems(parts),
    )
    grey, colour = (sum(count[flag] for count in seen.colour.values()) for flag in (False, True))
    told = (*listing.notes, *seen.scans.lines, *seen.notes.lines, *drawn, *notes)
    sizes = dict(seen.sizes)
    ignored = _ignored(listing)
    scans = tuple(seen.scans.scans)
    return Report(str(place), listing.layout, kinds, sizes, grey, colour, ignored, problems, parts, told, scans, clouds)


def _looked_at(listing: Listing, progress: Progress) -> tuple[Seen, list[LedgerRow], tuple[MeasuredCloud, ...]]:
    """Every readable sample; rows of the ledger by id, with the split in place of the role; measures of the clouds."""
    seen, rows, clouds = Seen(listing.root), [], []
    for done, entry in enumerate(listing.entries):
        progress("inspecting", done, len(listing.entries))
        try:
            sample = load(entry)
        except SourceError as problem:
            seen.problems.append(as_problem(problem, entry.file, entry.mask))
            continue
        seen.add(sample)
        rows.append(ledger_row(entry.split, sample, likeness(sample)))
        if sample.cloud is not None:
            clouds.append(measured_cloud(sample))
    return seen, sorted(rows, key=lambda row: row.id), tuple(clouds)


def _with_roles(
    rows: Sequence[LedgerRow], listing: Listing, seen: Seen, source: TreeSource
) -> tuple[list[LedgerRow], tuple[str, ...]]:
    """The rows that have a role in a run with seed 0, with it; and how many shots are drawn, as a sentence."""
    roles = roles_of([((row.product, row.defect), row.role) for row in rows], listing.listed)
    given = [replace(row, role=role) for row, role in zip(rows, roles, strict=True)]
    learnt = [row for row in given if row.id not in seen.blank]
    left = not_drawn(learnt, source.shots, source.shots_draw)
    shots = [row for row in learnt if row.role == "shot"]
    note = drawn_note(
        source, *([(s.product, s.defect) for s in shots if (s.id in left) == out] for out in (False, True))
    )
    learnt = [row for row in learnt if row.id not in left]
    kept = keep_for_validation(learnt, source.validation_fraction, 0, source.min_shots)
    taking_part = [row for row in given if row.id not in left]
    return [replace(row, role="validation") if row.id in kept else row for row in taking_part], note


def _ignored(listing: Listing) -> dict[str, int]:
    """Files below the root that are neither images nor read, by their ending."""
    files, _ = files_below(listing.root)
    read = {file for entry in listing.entries for file in (entry.file, entry.xyz)}
    return dict(Counter(f.suffix.lower() or f.name for f in files if not is_image(f) and f not in read))


def _inferred(
    listing: Listing, source: TreeSource, seen: Seen, rows: Sequence[LedgerRow], overlay: Path | None
) -> tuple[tuple[PartFinding, ...], tuple[str, ...]]:
    """Where each product is by the estimate, and how far its defects are turned; writes the overlay where one is asked
    for."""
    from synth.placing.notes import turning_notes

    entries = {entry.id: entry for entry in listing.entries}
    split = Split([], [], [])
    for row in rows:
        if row.role in ("shot", "good") and row.id not in seen.blank:
            meta = {"file": row.file, "sha256": row.sha256, "entry": entries[row.id]}
            sample = Sample(row.id, product=row.product, defect=row.defect, split="train", meta=meta)
            (split.good_images if row.defect is None else split.shots).append(sample)
    try:
        settled, findings = settle_parts(split, source)
        if overlay is not None:
            write_own_image(overlay, contact_sheet(settled, findings), OVERLAY)
    except SourceError as problem:  # a file changed after it was inspected
        seen.problems.append(as_problem(problem, listing.root))
        return (), ()
    seen_as_images = [
        good for good in split.good_images if entries[good.id].cloud is None and entries[good.id].xyz is None
    ]
    return findings, turning_notes(seen_as_images)


def _kinds(rows: Sequence[LedgerRow], seen: Seen) -> tuple[Kind, ...]:
    counted = [row for row in rows if row.role == "test" or row.id not in seen.blank]
    count = Counter((row.product, row.defect, row.role) for row in counted)
    kinds = []
    for product, defect in sorted({(row.product, row.defect) for row in rows}, key=lambda k: (k[0], k[1] or "")):
        shares = seen.coverage.get((product, defect))
        spread = (min(shares), median(shares), max(shares)) if shares else None
        train = count[product, defect, "good" if defect is None else "shot"]
        validation, test = (count[product, defect, role] for role in ("validation", "test"))
        kinds.append(Kind(product, defect, train, validation, test, spread))
    return tuple(kinds)
