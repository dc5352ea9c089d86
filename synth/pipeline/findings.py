"""What is suspicious about real samples once all are read: `inspect` reports it, and so do a run and a dry run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synth.checks.duplicates import Duplicates, joined
from synth.checks.ledger import LedgerRow
from synth.errors import SourceError
from synth.io.names import check_names
from synth.parts import PartFinding
from synth.pipeline.scan_report import ScanReport
from synth.sample import Sample
from synth.sources.agreement import Agreement
from synth.sources.config import FolderSource
from synth.sources.listing import Listing, Problem, as_problem
from synth.sources.notes import Notes

MANY = 0.6
"""Share of an image from which a mask is suspicious."""
TINY = 10
"""Pixels below which a mask is suspicious."""
FEW_GOOD_IMAGES, FEW_SHOTS = 20, 3
LEAST_SHOTS = FolderSource.model_fields["min_shots"].default
FEW_NAMES = 5
"""Copies of an image that are named."""
FEW_IMAGES = 5
"""Images with copies that are named."""
SHOWN = 20
"""Problems of one severity that are shown as text."""


@dataclass(slots=True)
class Seen:
    """What is remembered of samples below `root` whose pixels are let go.

    blank: ids of defects whose mask marks nothing; coverage: shares of the image that the masks of a (product, defect
    type) mark; sizes: (height, width) -> images; colour: grey (False) and colour (True) images of a product;
    scans: what its organised clouds are like."""

    root: Path
    blank: set[str] = field(default_factory=set)
    coverage: dict[tuple[str, str | None], list[float]] = field(default_factory=lambda: defaultdict(list))
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    colour: dict[str, Counter[bool]] = field(default_factory=lambda: defaultdict(Counter))
    agreement: Agreement = field(default_factory=Agreement)
    notes: Notes = field(default_factory=Notes)
    scans: ScanReport = field(default_factory=ScanReport)
    problems: list[Problem] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        """Take down a real sample while it has its pixels."""
        assert sample.image is not None  # every layout gives one, of the points where there is no image
        assert sample.mask is not None
        meta, product = sample.meta, str(sample.product)
        self.sizes[sample.mask.shape[0], sample.mask.shape[1]] += 1
        if sample.cloud is None:
            self.colour[product][not meta["grey"]] += 1
        self.agreement.add(sample)
        for note in (*meta["entry"].notes, *meta.get("notes", ())):
            self.notes.add(product, below(self.root, meta["file"]), note)
        if sample.xyz is not None:
            self.scans.add(sample, below(self.root, meta["file"]), self.notes)
        if sample.defect is not None and sample.cloud is not None:
            if sample.cloud.labels is None or not sample.cloud.labels.any():
                what = "labels none of its points, though the cloud is said to show a defect"
                self.problems.append(Problem(meta["file"], what, "label them, or move it to the good ones", "warning"))
                self.blank.add(sample.id)
        elif sample.defect is not None:
            self.problems.extend(_mask_problems(meta["mask_file"] or meta["file"], sample.mask))
            if sample.mask.any():
                self.coverage[product, sample.defect].append(float(sample.mask.mean()))
            else:
                self.blank.add(sample.id)


def problems_of_all(listing: Listing, seen: Seen) -> Iterator[Problem]:
    """Everything wrong with the samples of a listing but their number and copies, in the order of the listing."""
    yield from listing.problems
    yield from seen.problems
    yield from seen.agreement.problems()
    for _, note, files in seen.notes.groups(warning=True):
        remedy = f"decide it with {note.field}" if note.field else "look at it"
        yield from (Problem(str(listing.root / file), note.text, remedy, "warning") for file in files)
    yield from _name_problems(listing)
    yield from _folder_problems(listing)
    yield from _colour_problems(listing, seen)


def below(root: Path, file: str) -> str:
    """The name of a file within `root`, the root's own name for the root itself; other files as they are."""
    path = Path(file)
    if path == root:
        return root.name or str(root)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else file


def capped(problems: Iterable[Problem], severity: str) -> list[str]:
    """The problems of one severity as lines, SHOWN at most and then how many more there are."""
    found = [str(problem) for problem in problems if problem.severity == severity]
    lines = [f"{severity}: {text}" for text in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"{severity}: {len(found) - SHOWN} more; flawsmith inspect --json lists all")
    return lines


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


def count_problems(listing: Listing, learnt: Mapping[tuple[str, str | None], int]) -> Iterator[Problem]:
    """Too few good images, or shots of a type. `learnt`: how many of each (product, defect type), None = good, a
    generator may learn from; of every kind that is there, also if it is none."""
    root = str(listing.root)
    if not learnt:
        return
    # The dual-modality synthesizer learns from no shots, but needs the geometry of good parts.
    shots_needed = not any(entry.xyz or entry.cloud for entry in listing.entries)
    if shots_needed and all(defect is None for _, defect in learnt):
        yield Problem(root, "shows no defect", "add a folder <defect type>/ of 3 or more images with masks")
    for product in sorted({product for product, _ in learnt}):
        good_images = learnt.get((product, None), 0)
        if good_images == 0:
            yield Problem(root, f"has no good images of {product}", f"put {FEW_GOOD_IMAGES} or more into a folder good")
        elif good_images < FEW_GOOD_IMAGES:
            what = f"has only {good_images} good images of {product}"
            yield Problem(root, what, f"{FEW_GOOD_IMAGES} or more give varied backgrounds", "warning")
    for (product, defect), shots in learnt.items():
        if not shots_needed or defect is None or shots >= FEW_SHOTS:
            continue
        what = f"has {shots} shot{'s' * (shots != 1)} of {product}/{defect}"
        severity: Any = "error" if shots < LEAST_SHOTS else "warning"
        yield Problem(root, what, f"add some: {FEW_SHOTS} to 30 serve well", severity)


def duplicate_problems(root: Path, pairs: Iterable[Duplicates], accept: bool = False) -> Iterator[Problem]:
    """One image twice or more: an error across roles, as in a run that does not accept it, and a warning within one;
    one problem for all the copies of an image, and one for the images beyond FEW_IMAGES."""
    groups = joined(pairs)
    leaks = [group for group in groups if len({row.role for row in group}) > 1]
    within = [group for group in groups if len({row.role for row in group}) == 1]
    for found, severity in ((leaks, "warning" if accept else "error"), (within, "warning")):
        remedy = "keep one of them" if severity == "warning" else "keep one of them, or say source.duplicates: warn"
        for group in found[:FEW_IMAGES]:
            yield Problem(group[0].name, _copies_of(root, group), remedy, severity)  # type: ignore[arg-type]
        if more := found[FEW_IMAGES:]:
            what = f"and {len(more) - 1} more images have copies as well" if len(more) > 1 else "has copies as well"
            yield Problem(more[0][0].name, what, remedy, severity)  # type: ignore[arg-type]


def part_problems(findings: Iterable[PartFinding]) -> Iterator[Problem]:
    """Good images that do not agree on where the product is."""
    for finding in findings:
        if not finding.doubtful:
            continue
        named = ", ".join(finding.doubtful[:FEW_NAMES])
        more = f" and {len(finding.doubtful) - FEW_NAMES} more" if len(finding.doubtful) > FEW_NAMES else ""
        what = f"has good images in which the product is not found where, or as large as, in most: {named}{more}"
        remedy = "take out those that are no good images of it, or name masks with source.foreground"
        yield Problem(finding.product, what, remedy, "warning")


def _copies_of(root: Path, group: Sequence[LedgerRow]) -> str:
    """What the first of these rows is a copy of; those of another role are named first."""
    first = group[0]
    others = sorted(group[1:], key=lambda row: row.role == first.role)
    same = "the same pixels" if len({row.sha256 for row in group}) == 1 else "the same image, copied or turned,"
    named = ", ".join(f"{below(root, row.name)} ({row.role})" for row in others[:FEW_NAMES])
    more = f" and {len(others) - FEW_NAMES} more" if len(others) > FEW_NAMES else ""
    return f"({first.role}) holds {same} as {named}{more}"


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


def _colour_problems(listing: Listing, seen: Seen) -> Iterator[Problem]:
    for product, count in seen.colour.items():
        if count[False] and count[True]:
            what = f"mixes {count[False]} grey and {count[True]} colour images of {product}"
            yield Problem(str(listing.root), what, "use one kind: a generator learns the difference too", "warning")
