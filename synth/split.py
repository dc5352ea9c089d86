"""Roles, fixed before anything trains: shots and good images may be learnt from, test images only measured with.

A sample that the source marks "test" stays test and one marked "train" is a shot or a good, except where a defect type
has no training images at all, as in MVTec AD: then the first third of its test images, sorted by id and at least
one, are its shots (the protocol of SeaS). What a split file lists stays where it is listed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from synth.errors import SourceError
from synth.io.images import content_hash, perceptual_hash
from synth.sample import Sample
from synth.sources.config import ProceduralSource, SourceConfig
from synth.sources.listing import reopen
from synth.suggest import did_you_mean

Wanted = Literal["all"] | Sequence[str]
Kind = tuple[str, str | None]
"""(product, defect type); None = good."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A sample that plays no role, and why."""

    id: str
    file: str | None
    product: str
    defect: str
    reason: str


@dataclass(frozen=True)
class Split:
    """Every real sample in exactly one role, sorted by id. `test` samples read from files carry no pixels (see
    `synth.sources.listing.reopen`); `hashes` holds the perceptual hash of each sample by id."""

    shots: list[Sample]
    good_images: list[Sample]
    test: list[Sample]
    dropped: list[Dropped] = field(default_factory=list)
    hashes: dict[str, np.ndarray] = field(default_factory=dict)


def make_split(
    samples: Iterable[Sample],
    source: SourceConfig,
    seed: int = 0,
    products: Wanted = "all",
    defects: Wanted = "all",
    learns: bool = True,
) -> Split:
    """Give every sample its role. Samples are taken one at a time, and the pixels of test samples let go at once, so an
    iterator of thousands needs memory for shots and good images only. The seed draws what source.test_fraction keeps
    back. `learns` False: the generator needs no shots, only good images.

    Raises SourceError, with the remedy, where an asked-for product has no good images or a defect type too few
    shots."""
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
        kept.append(_without_pixels(known) if sample.split == "test" else known)
    if not kept:
        raise SourceError("the source holds no samples; name a folder with images of good and of defective parts")
    kept.sort(key=lambda sample: sample.id)
    test_ids = _test_ids(kept, getattr(source, "test_fraction", 0.0), seed)
    parts: dict[str, list[Sample]] = {"shots": [], "good_images": [], "test": []}
    dropped: list[Dropped] = []
    for sample in kept:
        if sample.id in test_ids:
            parts["test"].append(_without_pixels(sample))
        elif sample.id in blank:
            reason = "its mask is blank: nothing to learn from"
            dropped.append(Dropped(sample.id, sample.meta.get("file"), str(sample.product), str(sample.defect), reason))
        else:
            parts["good_images" if sample.defect is None else "shots"].append(reopen(sample))
    split = Split(**parts, dropped=dropped, hashes=hashes)
    if learns:
        _check_enough(split, kept, source, products, defects)
    elif not split.good_images:
        raise SourceError("the source holds no good samples to draw defects onto; name a folder that has some")
    return split


def likeness(sample: Sample) -> np.ndarray:
    """The perceptual hash by which copies of a sample are found; blank for a cloud, whose copies have equal points:
    images of the points of two parts of one design look alike. The sample needs its image."""
    assert sample.image is not None
    return perceptual_hash(sample.image if sample.cloud is None else np.zeros_like(sample.image))


def _label_hash(sample: Sample) -> str:
    """sha256 of all that a sample says of its image: mask, coordinates, labels of points."""
    labels = None if sample.cloud is None else sample.cloud.labels
    told = [content_hash(array) for array in (sample.mask, sample.xyz, labels) if array is not None]
    return hashlib.sha256("".join(told).encode()).hexdigest()


def roles_of(kinds: Sequence[tuple[Kind, str]], listed: bool = False) -> list[str]:
    """The role, "train" or "test", of each sample of a sorted sequence of ((product, defect), split). listed: a split
    file gave the splits, so that each is the role."""
    by_kind: dict[Kind, list[int]] = defaultdict(list)
    for index, (kind, _) in enumerate(kinds):
        by_kind[kind].append(index)
    roles = ["test" if split == "test" else "train" for _, split in kinds]
    for (_, defect), members in by_kind.items():
        if defect is not None and not listed and all(roles[index] == "test" for index in members):
            for index in members[: max(1, len(members) // 3)]:
                roles[index] = "train"
    return roles


def _test_ids(samples: Sequence[Sample], test_fraction: float, seed: int) -> set[str]:
    """Ids of the samples, sorted by id, that are for measuring only."""
    kinds: list[tuple[Kind, str]] = [((str(s.product), s.defect), str(s.split)) for s in samples]
    rng = np.random.default_rng(seed)
    for kind in sorted({kind for kind, _ in kinds}, key=str):
        free = [index for index, (own, split) in enumerate(kinds) if own == kind and split != "test"]
        for index in rng.permutation(free)[: int(len(free) * test_fraction)].tolist():
            kinds[index] = kind, "test"
    roles = roles_of(kinds, any(sample.meta["entry"].listed for sample in samples if "entry" in sample.meta))
    return {sample.id for sample, role in zip(samples, roles, strict=True) if role == "test"}


def _without_pixels(sample: Sample) -> Sample:
    return replace(sample, image=None, mask=None, xyz=None, cloud=None) if "file" in sample.meta else sample


def _check_enough(
    split: Split, samples: Sequence[Sample], source: SourceConfig, products: Wanted, defects: Wanted
) -> None:
    here = "the source" if isinstance(source, ProceduralSource) else str(source.root)
    kinds = {(str(s.product), s.defect) for s in samples if s.defect is not None}
    for what, wanted, known in (
        ("product", products, sorted({product for product, _ in kinds})),
        ("defect type", defects, sorted({str(defect) for _, defect in kinds})),
    ):
        for name in () if wanted == "all" else wanted:
            if name not in known:
                raise SourceError(f"{here} has no {what} {name!r}; {did_you_mean(name, known)}")
    if not kinds:
        raise SourceError(
            f"{here} has no defective samples to learn from; add a folder <defect type>/ of 3 or more with masks"
        )
    asked = {k for k in kinds if (products == "all" or k[0] in products) and (defects == "all" or k[1] in defects)}
    for product in sorted({product for product, _ in asked}):
        if not any(sample.product == product for sample in split.good_images):
            raise SourceError(
                f"{here} has no good images of {product} to draw defects onto; put 20 or more into a folder good"
            )
    _check_shots(here, split, sorted(asked, key=str), getattr(source, "min_shots", 1))


def _check_shots(here: str, split: Split, kinds: Sequence[Kind], least: int) -> None:
    for product, defect in kinds:
        found = [s for s in split.shots if (s.product, s.defect) == (product, defect)]
        if len(found) >= least:
            continue
        names = [d.file or d.id for d in split.dropped if (d.product, d.defect) == (product, defect)]
        lost = f" (blank masks: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""
        example = f", {found[0].meta.get('file', found[0].id)}," if found else ""
        remedy = "or accept fewer with source.min_shots" if found else "or name the types to make in request.defects"
        raise SourceError(
            f"{here}: {product}/{defect} has {len(found)} shot{'s' * (len(found) != 1)}{example} to learn from{lost}, "
            f"wanted at least {least}; add images with masks, {remedy}"
        )
