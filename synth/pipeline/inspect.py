"""The data doctor: what is in a folder, what is wrong with it and how to mend it. Lists everything, touches nothing."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from synth.checks.duplicates import Duplicates, find_duplicates
from synth.checks.ledger import LedgerRow
from synth.errors import SourceError
from synth.generators import Progress
from synth.io.images import write_png
from synth.io.names import check_names
from synth.parts import PartFinding, contact_sheet, settle_parts
from synth.sample import Sample
from synth.sources import list_tree
from synth.sources.config import FolderSource
from synth.sources.listing import Entry, Listing, Problem, as_problem, differing_whites, files_below, is_image, load
from synth.split import Split, keep_for_validation, likeness, roles_of

MANY = 0.6
"""Share of an image from which a mask is suspicious."""
TINY = 10
"""Pixels below which a mask is suspicious."""
FEW_GOOD_IMAGES, FEW_SHOTS = 20, 3
LEAST_SHOTS = FolderSource.model_fields["min_shots"].default
FEW_NAMES = 5
"""Copies of an image that are named."""
VALIDATION = FolderSource.model_fields["validation_fraction"].default
SHOWN = 20
"""Problems of one severity in the text; all are in `to_json`."""


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
    `parts`: where each product is, `notes`: how far its defects are turned, as a run would take it."""

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
        if self.sizes:
            low_size, high_size = (
                f"{h} x {w}" for h, w in (min(self.sizes, key=math.prod), max(self.sizes, key=math.prod))
            )
            span = low_size if len(self.sizes) == 1 else f"{len(self.sizes)} sizes from {low_size} to {high_size}"
            lines.append(f"  height x width: {span}; {self.grey} grey, {self.colour} in colour")
        if self.ignored:
            named = ", ".join(f"{count} {ending}" for ending, count in sorted(self.ignored.items()))
            lines.append(f"  ignored, being no images: {named}")
        for severity in ("error", "warning"):
            found = [str(problem) for problem in self.problems if problem.severity == severity]
            lines.extend(f"{severity}: {text}" for text in found[:SHOWN])
            if len(found) > SHOWN:
                lines.append(f"{severity}: {len(found) - SHOWN} more; --json lists all")
        lines.append("usable as it is" if self.usable else "not usable yet: mend the errors above")
        return lines


@dataclass(slots=True)
class _Seen:
    """What is known of the readable entries so far; rows of the ledger carry the split in place of the role."""

    rows: list[LedgerRow] = field(default_factory=list)
    blank: set[str] = field(default_factory=set)
    coverage: dict[tuple[str, str | None], list[float]] = field(default_factory=lambda: defaultdict(list))
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    colour: dict[str, Counter[bool]] = field(default_factory=lambda: defaultdict(Counter))
    whites: dict[str, dict[int, Path]] = field(default_factory=lambda: defaultdict(dict))
    problems: list[Problem] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        try:
            sample = load(entry)
        except SourceError as problem:
            self.problems.append(as_problem(problem, entry.file, entry.mask))
            return
        assert sample.image is not None  # every layout gives one, of the points where there is no image
        assert sample.mask is not None
        file, kind = str(entry.file), (entry.product, entry.defect)
        thumbnail = likeness(sample).tobytes()
        self.rows.append(LedgerRow(entry.id, file, entry.split, *kind, sample.meta["sha256"], thumbnail))
        self.sizes[sample.mask.shape[0], sample.mask.shape[1]] += 1
        self.colour[entry.product][bool((sample.image != sample.image[..., :1]).any())] += 1
        if sample.meta["white"] is not None:
            self.whites[entry.product].setdefault(sample.meta["white"], entry.file)
        if entry.defect is not None:
            self.problems.extend(_mask_problems(str(entry.mask), sample.mask))
            if sample.mask.any():
                self.coverage[kind].append(float(sample.mask.mean()))
            else:
                self.blank.add(entry.id)


def inspect(
    path: str | Path, layout: str = "auto", progress: Progress | None = None, overlay: Path | None = None
) -> Report:
    """Look at every image and mask below `path`. Never raises for bad data: what is wrong stands in the report.

    `overlay`: a PNG file to write, in which the product's outline and the shots' masks are drawn into a few images of
    each product (see `synth.parts.contact_sheet`). WriterError where it cannot be written."""
    try:
        listing = list_tree(path, layout)
    except SourceError as problem:
        return Report(str(path), None, problems=(as_problem(problem, Path(path)),))
    seen = _Seen()
    for done, entry in enumerate(listing.entries):
        if progress is not None:
            progress("inspecting", done, len(listing.entries))
        seen.add(entry)
    seen.rows.sort(key=lambda row: row.id)
    roles = _roles(listing, seen)
    kinds = _kinds(seen, roles)
    parts, notes = _inferred(listing, seen, roles, overlay)
    problems = [
        *listing.problems,
        *seen.problems,
        *_count_problems(listing, kinds),
        *_duplicate_problems(seen.rows, roles),
        *_name_problems(listing),
        *_folder_problems(listing),
        *_colour_problems(listing, seen),
        *(differing_whites(files, "warning") for files in seen.whites.values() if len(files) > 1),
    ]
    files, _ = files_below(listing.root)
    read = {file for entry in listing.entries for file in (entry.file, entry.xyz)}
    ignored = Counter(f.suffix.lower() or f.name for f in files if not is_image(f) and f not in read)
    grey, colour = (sum(count[flag] for count in seen.colour.values()) for flag in (False, True))
    sizes = dict(seen.sizes)
    return Report(str(path), listing.layout, kinds, sizes, grey, colour, dict(ignored), tuple(problems), parts, notes)


def _roles(listing: Listing, seen: _Seen) -> list[str]:
    """The role of each row of `seen` in a run with the default settings."""
    roles = roles_of([((row.product, row.defect), row.role) for row in seen.rows], listing.listed)
    given = [replace(row, role=role) for row, role in zip(seen.rows, roles, strict=True)]
    kept = keep_for_validation([row for row in given if row.id not in seen.blank], VALIDATION, 0, LEAST_SHOTS)
    return ["validation" if row.id in kept else row.role for row in given]


def _inferred(
    listing: Listing, seen: _Seen, roles: Sequence[str], overlay: Path | None
) -> tuple[tuple[PartFinding, ...], tuple[str, ...]]:
    """Where each product is by the estimate, and how far its defects are turned; writes the overlay where one is asked
    for."""
    from synth.placing.notes import turning_notes

    entries = {entry.id: entry for entry in listing.entries}
    split = Split([], [], [])
    for row, role in zip(seen.rows, roles, strict=True):
        if role in ("shot", "good") and row.id not in seen.blank:
            meta = {"file": row.file, "sha256": row.sha256, "entry": entries[row.id]}
            sample = Sample(row.id, product=row.product, defect=row.defect, split="train", meta=meta)
            (split.good_images if row.defect is None else split.shots).append(sample)
    try:
        settled, findings = settle_parts(split, FolderSource(root=listing.root))
        if overlay is not None:
            write_png(overlay, contact_sheet(settled, findings))
    except SourceError as problem:  # a file changed after it was inspected
        seen.problems.append(as_problem(problem, listing.root))
        return (), ()
    seen_as_images = [
        good for good in split.good_images if entries[good.id].cloud is None and entries[good.id].xyz is None
    ]
    return findings, turning_notes(seen_as_images)


def _mask_problems(file: str, mask: np.ndarray) -> Iterator[Problem]:
    area = int(mask.sum())
    if area == 0:
        remedy = "mark the defect, or move the image to the good ones; it is left out of the shots until then"
        yield Problem(file, "is blank, though its image is said to show a defect", remedy, "warning")
    elif area < TINY:
        yield Problem(file, f"marks only {area} px", "check that nothing was lost when it was exported", "warning")
    elif mask.mean() > MANY:
        remedy = "check that defect is white and background black, not the other way round"
        yield Problem(file, f"covers {mask.mean():.0%} of its image", remedy, "warning")


def _kinds(seen: _Seen, roles: Sequence[str]) -> tuple[Kind, ...]:
    pairs = [
        (row, role) for row, role in zip(seen.rows, roles, strict=True) if role == "test" or row.id not in seen.blank
    ]
    count = Counter((row.product, row.defect, role) for row, role in pairs)
    kinds = []
    for product, defect in sorted({(row.product, row.defect) for row in seen.rows}, key=lambda k: (k[0], k[1] or "")):
        shares = seen.coverage.get((product, defect))
        spread = (min(shares), median(shares), max(shares)) if shares else None
        train = count[product, defect, "good" if defect is None else "shot"]
        validation, test = (count[product, defect, role] for role in ("validation", "test"))
        kinds.append(Kind(product, defect, train, validation, test, spread))
    return tuple(kinds)


def _count_problems(listing: Listing, kinds: Sequence[Kind]) -> Iterator[Problem]:
    root = str(listing.root)
    if not kinds:
        return
    # The dual-modality synthesizer learns from no shots, but needs the geometry of good parts.
    lacking: Any = "warning" if any(entry.xyz or entry.cloud for entry in listing.entries) else "error"
    if not any(kind.defect for kind in kinds):
        remedy = "add a folder <defect type>/ of 3 or more images with masks"
        if lacking == "warning":
            remedy += ", or draw without shots: generator kind dual"
        yield Problem(root, "shows no defect", remedy, lacking)
    for product in sorted({kind.product for kind in kinds}):
        good_images = sum(kind.train for kind in kinds if kind.product == product and kind.defect is None)
        if good_images == 0:
            yield Problem(root, f"has no good images of {product}", f"put {FEW_GOOD_IMAGES} or more into a folder good")
        elif good_images < FEW_GOOD_IMAGES:
            what = f"has only {good_images} good images of {product}"
            yield Problem(root, what, f"{FEW_GOOD_IMAGES} or more give varied backgrounds", "warning")
    for kind in kinds:
        if kind.defect is None or kind.train >= FEW_SHOTS:
            continue
        what = f"has {kind.train} shot{'s' * (kind.train != 1)} of {kind.product}/{kind.defect}"
        severity: Any = lacking if kind.train < LEAST_SHOTS else "warning"
        yield Problem(root, what, f"add some: {FEW_SHOTS} to 30 serve well", severity)


def _duplicate_problems(rows: Sequence[LedgerRow], roles: Sequence[str]) -> Iterator[Problem]:
    """One image twice: an error across roles, as in a run, and one warning for all its copies within a role."""
    copies: dict[str, list[Duplicates]] = defaultdict(list)
    for pair in find_duplicates([_with_role(row, role) for row, role in zip(rows, roles, strict=True)]):
        if pair.first.role == pair.second.role:
            copies[pair.first.id].append(pair)
        else:
            yield Problem(pair.first.name, _copies_of([pair]), "keep one of them")
    for pairs in copies.values():
        yield Problem(pairs[0].first.name, _copies_of(pairs), "keep one of them", "warning")


def _with_role(row: LedgerRow, role: str) -> LedgerRow:
    return replace(row, role=role)


def _copies_of(pairs: Sequence[Duplicates]) -> str:
    """What the first row of these pairs is a copy of."""
    equal = all(pair.first.sha256 == pair.second.sha256 for pair in pairs)
    same = "the same pixels" if equal else "the same image, copied or turned,"
    named = ", ".join(f"{pair.second.name} ({pair.second.role})" for pair in pairs[:FEW_NAMES])
    more = f" and {len(pairs) - FEW_NAMES} more" if len(pairs) > FEW_NAMES else ""
    return f"({pairs[0].first.role}) holds {same} as {named}{more}"


def _name_problems(listing: Listing) -> Iterator[Problem]:
    taken: dict[str, Path] = {}
    for entry in listing.entries:
        same = taken.setdefault(entry.id.lower(), entry.file)
        if same != entry.file:
            remedy = "rename one: some systems take the two for one file"
            yield Problem(str(entry.file), f"differs from {same.name} only in its capitals", remedy, "warning")
        if not entry.file.name.isascii():
            remedy = "rename it with plain letters if another program has to read it"
            yield Problem(str(entry.file), "has letters beyond ASCII in its name", remedy, "warning")


def _folder_problems(listing: Listing) -> Iterator[Problem]:
    """Products and defect types that would share a folder in what a run writes."""
    try:
        check_names((entry.product, entry.defect) for entry in listing.entries)
    except SourceError as problem:
        yield as_problem(problem, listing.root)


def _colour_problems(listing: Listing, seen: _Seen) -> Iterator[Problem]:
    for product, count in seen.colour.items():
        if count[False] and count[True]:
            what = f"mixes {count[False]} grey and {count[True]} colour images of {product}"
            yield Problem(str(listing.root), what, "use one kind: a generator learns the difference too", "warning")
