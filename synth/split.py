"""Roles, fixed before anything trains: generators and segmenters learn from shots and good images, a verdict chooses
thresholds on validation shots and measures on test images.

A sample that the source marks "test" stays test and one marked "train" is a shot or a good image, except where a defect
type has no training images at all, as in MVTec AD: then the first third of its test images, sorted by id and at least
one, are its shots (the protocol of SeaS). source.shots draws so many of each type and leaves the others out
(`not_drawn`); of the shots of a type some become validation shots (`keep_for_validation`). What a split file lists
stays where it is listed, or is left out.

What is drawn, to learn from, for testing or for validation, is drawn type by type from the ids and the seed alone, so
that a new type or a new image leaves the other types as they were.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from synth.checks.duplicates import Duplicates, find_duplicates, joined
from synth.checks.ledger import LedgerRow, ledger_row
from synth.errors import SourceError
from synth.io.images import content_hash, perceptual_hash
from synth.io.names import same_name
from synth.sample import Sample
from synth.sources.config import ProceduralSource, SourceConfig
from synth.sources.listing import closed, reopen
from synth.suggest import did_you_mean

Wanted = Literal["all"] | Sequence[str]
Kind = tuple[str, str | None]
"""(product, defect type); None = good."""

CLOSED = ("validation", "test")
"""Roles whose pixels no generator sees."""

LEAST_SHOTS_TO_KEEP_ONE = 4
"""Different shots of a type below which none is kept for validation: each is worth more to learn from."""

BLANK = "its mask is blank: nothing to learn from"
NOT_DRAWN = "not among the shots drawn: source.shots={} of each defect type, source.shots_draw={}"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A sample that plays no role, and why."""

    id: str
    file: str | None
    product: str
    defect: str | None
    reason: str


@dataclass(frozen=True)
class Split:
    """Every real sample in exactly one role, sorted by id. Of the samples read from files only shots carry their pixels
    (see `synth.sources.listing.reopen`); `hashes` holds the perceptual hash of each sample by id."""

    shots: list[Sample]
    good_images: list[Sample]
    test: list[Sample]
    dropped: list[Dropped] = field(default_factory=list)
    hashes: dict[str, np.ndarray] = field(default_factory=dict)
    validation: list[Sample] = field(default_factory=list)

    @property
    def roles(self) -> dict[str, list[Sample]]:
        """The samples by the role that they have in a ledger."""
        return {"shot": self.shots, "good": self.good_images, "validation": self.validation, "test": self.test}


def make_split(
    samples: Iterable[Sample],
    source: SourceConfig,
    seed: int = 0,
    products: Wanted = "all",
    defects: Wanted = "all",
    learns: bool = True,
) -> Split:
    """Give every sample its role. Samples are taken one at a time and the pixels of each let go at once, so an iterator
    of thousands needs memory for the shots only. The seed draws what source.test_fraction and
    source.validation_fraction keep. `learns` False: the generator needs no shots, only good images, and nothing is kept
    for validation.

    Raises SourceError, with the remedy, where an asked-for product has no good images or a defect type too few
    shots."""
    read, hashes, blank = _read(samples)
    roles = _roles(read, getattr(source, "test_fraction", 0.0), seed)
    lost = {sample.id for sample in read if sample.id in blank and roles[sample.id] != "test"}
    kept = [sample for sample in read if sample.id not in lost]
    rows = [ledger_row(roles[sample.id], sample, hashes[sample.id]) for sample in kept]
    left = not_drawn(rows, source.shots, source.shots_draw)
    kept = [sample for sample in kept if sample.id not in left]
    rows = [row for row in rows if row.id not in left]
    fraction = source.validation_fraction if learns else 0.0
    validation = keep_for_validation(rows, fraction, seed, getattr(source, "min_shots", 1))
    files = {row.file for row in rows if row.id in validation and row.file is not None}
    validation |= {row.id for row in rows if row.file in files}
    parts: dict[str, list[Sample]] = {"shot": [], "good": [], "validation": [], "test": []}
    for sample in kept:
        role = "validation" if sample.id in validation else roles[sample.id]
        parts[role].append(reopen(sample) if role == "shot" else sample)
    reasons = dict.fromkeys(left, NOT_DRAWN.format(source.shots, source.shots_draw)) | dict.fromkeys(lost, BLANK)
    dropped = [_dropped(sample, reasons[sample.id]) for sample in read if sample.id in reasons]
    split = Split(parts["shot"], parts["good"], parts["test"], dropped, hashes, parts["validation"])
    if learns:
        _check_enough(split, read, source, products, defects)
    elif not split.good_images:
        raise SourceError("the source holds no good samples to draw defects onto; name a folder that has some")
    else:
        _check_known(_place(source), "product", products, {str(good.product) for good in split.good_images})
    return split


def _read(samples: Iterable[Sample]) -> tuple[list[Sample], dict[str, np.ndarray], set[str]]:
    """The samples by id, without the pixels that are not needed; their perceptual hashes; ids of blank defects."""
    kept: list[Sample] = []
    blank: set[str] = set()
    hashes: dict[str, np.ndarray] = {}
    for sample in samples:
        if sample.image is None or sample.mask is None:
            raise SourceError(f"{sample.id} has no image or no mask; give both")
        if sample.id in hashes:
            raise SourceError(f"two samples have the id {sample.id}; ids must differ")
        hashes[sample.id] = likeness(sample)
        if sample.defect is not None and not sample.mask.any():
            blank.add(sample.id)
        hashed = {"sha256": content_hash(sample.image), "labels": _label_hash(sample)}
        known = replace(sample, meta={**hashed, **sample.meta})
        kept.append(closed(known))
    if not kept:
        raise SourceError("the source holds no samples; name a folder with images of good and of defective parts")
    return sorted(kept, key=lambda sample: sample.id), hashes, blank


def likeness(sample: Sample) -> np.ndarray:
    """The perceptual hash by which copies of a sample are found; blank for a cloud, whose copies have equal points:
    images of the points of two parts of one design look alike. The sample needs its image."""
    assert sample.image is not None
    return perceptual_hash(sample.image if sample.cloud is None else np.zeros_like(sample.image))


def _label_hash(sample: Sample) -> str:
    """sha256 of all that a sample says of its image: mask, coordinates, labels of points."""
    labels = None if sample.cloud is None else sample.cloud.labels
    labelled = [content_hash(array) for array in (sample.mask, sample.xyz, labels) if array is not None]
    return hashlib.sha256("".join(labelled).encode()).hexdigest()


def roles_of(kinds: Sequence[tuple[Kind, str]], listed: bool = False) -> list[str]:
    """The role, "shot", "good", "validation" or "test", of each sample of a sorted sequence of ((product, defect),
    split). listed: a split file gave the splits, so that each is the role."""
    by_kind: dict[Kind, list[int]] = defaultdict(list)
    for index, (kind, _) in enumerate(kinds):
        by_kind[kind].append(index)
    learnt = ["good" if defect is None else "shot" for (_, defect), _ in kinds]
    roles = [split if split in CLOSED else role for (_, split), role in zip(kinds, learnt, strict=True)]
    for (_, defect), members in by_kind.items():
        if defect is not None and not listed and all(roles[index] in CLOSED for index in members):
            measured = [index for index in members if roles[index] == "test"] or members
            for index in measured[: max(1, len(measured) // 3)]:
                roles[index] = "shot"
    return roles


def not_drawn(rows: Sequence[LedgerRow], shots: int | None, draw: int) -> set[str]:
    """Ids of the `rows`, each with its role, that are left out where `shots` of each defect type are drawn: the shots
    beyond them and the good windows of their files. Nothing where `shots` is None.

    Images are counted, and drawn, with all their copies; draws of fewer shots are parts of those of more."""
    if shots is None:
        return set()
    learnt = [row for row in rows if row.role == "shot"]
    left: set[str] = set()
    for product, defect in {(row.product, row.defect) for row in learnt}:
        images = _different([row for row in learnt if (row.product, row.defect) == (product, defect)])
        ranks = {image[0].id: _rank(draw, f"shots/{product}/{defect}", image[0].id) for image in images}
        order = sorted(images, key=lambda image: ranks[image[0].id])
        left |= {row.id for image in order[shots:] for row in image}
    files = {row.file for row in learnt if row.id in left} - {row.file for row in learnt if row.id not in left}
    return left | {row.id for row in rows if row.role == "good" and row.file is not None and row.file in files}


def drawn_note(source: SourceConfig, drawn: Iterable[Kind], left: Iterable[Kind]) -> tuple[str, ...]:
    """How many shots take part, as a sentence, from the kinds of those that do and of those left out; nothing where the
    recipe takes all."""
    if source.shots is None:
        return ()
    taken = Counter(drawn)
    found = taken + Counter(kind for kind in left if kind in taken)
    counts = [f"{taken[kind]} of {found[kind]} of {kind[0]}/{kind[1]}" for kind in sorted(taken, key=str)]
    told = f"shots drawn (source.shots={source.shots}, source.shots_draw={source.shots_draw}): {', '.join(counts)}"
    return (f"{told}; the others play no role",)


def keep_for_validation(rows: Sequence[LedgerRow], fraction: float, seed: int, least: int) -> set[str]:
    """Ids of the shots among `rows` (each with its role before) that become validation shots: of every type with test
    images and LEAST_SHOTS_TO_KEEP_ONE different shots, `fraction` of the shots, at least one, but so that `least` are
    left to learn from. None where rows with the role "validation" are there already, from a split file.

    Copies of one image stay together; what has a copy in another type is not kept."""
    if not fraction or any(row.role == "validation" for row in rows):
        return set()
    shots = [row for row in rows if row.role == "shot"]
    tested = {(row.product, row.defect) for row in rows if row.role == "test"}
    images = _different(shots)
    chosen: set[str] = set()
    for kind in {(row.product, row.defect) for row in shots} & tested:
        own = [image for image in images if {(row.product, row.defect) for row in image} == {kind}]
        number = sum(map(len, own))
        wanted = min(max(1, round(fraction * number)), number - least)
        if len(own) < LEAST_SHOTS_TO_KEEP_ONE:
            continue
        kept: list[str] = []
        for image in sorted(own, key=lambda image: _rank(seed, "validation", image[0].id)):
            if len(kept) + len(image) <= wanted:
                kept += [row.id for row in image]
        chosen.update(kept)
    return chosen


def _different(rows: Sequence[LedgerRow]) -> list[list[LedgerRow]]:
    """The rows of each different image: those that are copies of each other, directly or through others, together, and
    so are windows of one file."""
    first = {row.file: row for row in reversed(rows) if row.file is not None}
    windows = [Duplicates(first[row.file], row, 0.0) for row in rows if row.file and first[row.file] is not row]
    groups = [sorted(group, key=lambda row: row.id) for group in joined([*windows, *find_duplicates(rows)])]
    grouped = {row.id for group in groups for row in group}
    return [*groups, *([row] for row in rows if row.id not in grouped)]


def _rank(seed: int, purpose: str, sample_id: str) -> bytes:
    """Where a sample stands in an order that depends on nothing but the seed, the purpose and its id."""
    return hashlib.sha256(f"{seed}/{purpose}/{sample_id}".encode()).digest()


def _roles(samples: Sequence[Sample], test_fraction: float, seed: int) -> dict[str, str]:
    """The role of each sample, by id, before some shots are kept for validation; samples are sorted by id."""
    kinds: list[tuple[Kind, str]] = [((str(s.product), s.defect), str(s.split)) for s in samples]
    for kind in {kind for kind, _ in kinds}:
        free = [index for index, (own, split) in enumerate(kinds) if own == kind and split not in CLOSED]
        left = int(len(free) * test_fraction)
        for members in sorted(_by_file(samples, free), key=lambda some: _rank(seed, "test", samples[some[0]].id)):
            if len(members) > left:
                break
            left -= len(members)
            for index in members:
                kinds[index] = kind, "test"
    roles = roles_of(kinds, any(sample.meta["entry"].listed for sample in samples if "entry" in sample.meta))
    _follow_files(samples, roles)
    return {sample.id: role for sample, role in zip(samples, roles, strict=True)}


def _by_file(samples: Sequence[Sample], some: Iterable[int]) -> list[list[int]]:
    """The numbers of some samples, those that are windows of one file together."""
    files: dict[str, list[int]] = defaultdict(list)
    for index in some:
        files[samples[index].meta.get("file") or samples[index].id].append(index)
    return list(files.values())


def _follow_files(samples: Sequence[Sample], roles: list[str]) -> None:
    """One role for all windows of one file: test, if one of them is a test image; good windows of a defective image
    follow it."""
    for members in _by_file(samples, range(len(samples))):
        if len(members) > 1:
            own = {roles[index] for index in members if samples[index].defect is not None} or {"good"}
            first = next(role for role in ("test", "validation", "shot", "good") if role in own)
            for index in members:
                roles[index] = "good" if first == "shot" and samples[index].defect is None else first


def _dropped(sample: Sample, reason: str) -> Dropped:
    return Dropped(sample.id, sample.meta.get("file"), str(sample.product), sample.defect, reason)


def _check_enough(
    split: Split, samples: Sequence[Sample], source: SourceConfig, products: Wanted, defects: Wanted
) -> None:
    here = _place(source)
    kinds = {(str(s.product), s.defect) for s in samples if s.defect is not None}
    _check_known(here, "product", products, {product for product, _ in kinds})
    _check_known(here, "defect type", defects, {str(defect) for _, defect in kinds})
    if not kinds:
        raise SourceError(
            f"{here} has no defective samples to learn from; add a folder <defect type>/ of 3 or more with masks"
        )
    asked = {k for k in kinds if _asked(k[0], products) and _asked(str(k[1]), defects)}
    for product in sorted({product for product, _ in asked}):
        if not any(sample.product == product for sample in split.good_images):
            raise SourceError(
                f"{here} has no good images of {product} to draw defects onto; put 20 or more into a folder good"
            )
    _check_shots(here, split, sorted(asked, key=str), source)


def _asked(name: str, wanted: Wanted) -> bool:
    return wanted == "all" or any(same_name(name, other) for other in wanted)


def _place(source: SourceConfig) -> str:
    return "the source" if isinstance(source, ProceduralSource) else str(source.root)


def _check_known(here: str, what: str, wanted: Wanted, known: Collection[str]) -> None:
    """SourceError for a name that was asked for and is not there."""
    for name in () if wanted == "all" else wanted:
        if not any(same_name(name, other) for other in known):
            raise SourceError(f"{here} has no {what} {name!r}; {did_you_mean(name, sorted(known))}")


def _check_shots(here: str, split: Split, kinds: Sequence[Kind], source: SourceConfig) -> None:
    least = getattr(source, "min_shots", 1)
    for product, defect in kinds:
        found = [s for s in split.shots if (s.product, s.defect) == (product, defect)]
        if len(found) >= least:
            continue
        dropped = [d for d in split.dropped if (d.product, d.defect) == (product, defect)]
        names = [d.file or d.id for d in dropped if d.reason == BLANK]
        lost = f" (blank masks: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""
        example = f", {found[0].meta.get('file', found[0].id)}," if found else ""
        remedy = "or accept fewer with source.min_shots" if found else "or name the types to make in request.defects"
        if len(dropped) > len(names):
            remedy = f"raise source.shots={source.shots}, {remedy}"
        raise SourceError(
            f"{here}: {product}/{defect} has {len(found)} shot{'s' * (len(found) != 1)}{example} to learn from{lost}, "
            f"wanted at least {least}; add images with masks, {remedy}"
        )
