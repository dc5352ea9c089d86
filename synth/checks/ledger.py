"""The leak ledger: every real image, its role and its two hashes; no image may play two roles.

Two images count as one when their perceptual hashes (32 x 32 grey thumbnails), laid on each other in the best of the
eight ways, differ by at most SAME_IMAGE grey levels (root mean square), and by at most SAME_DETAIL of the detail
that the plainer of the two shows, since parts without detail all look alike at that size: of those only equal pixels
count.

Measured on the 429 shots and good images of the magnetic tiles. Copies (143 images, each against its original, largest
distance): JPEG quality 90 0.5, 70 0.6, 50 0.8, 30 1.1; scaled by 0.5 bicubic 0.8, bilinear 1.1, by 0.75 0.7, by 1.5
0.6; scaled by 0.6 with JPEG 60 on top 1.1 (nine in ten: 1.0); noise of 4 grey levels 0.9. Scaling without
filtering (nearest), changes of brightness and, below 100 px or so, strong JPEG are not recognised. Different
photographs (91,806 pairs): 0.65 and 0.77 for two pairs that are one exposure saved twice, then 1.17, 1.23, 1.62 and 3.5
for a part photographed twice alike, and 6.1 or more for all other pairs, among them a part under another exposure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from synth.errors import LeakError, SourceError
from synth.io.atomic import replacing
from synth.io.images import HASH_SIDE, content_hash, hash_distances, perceptual_hash
from synth.io.regular import reason, regular_file
from synth.sample import Sample

SAME_IMAGE = 1.0
SAME_DETAIL = 0.35
LEAST_DETAIL = 0.5
"""Grey levels; below it a thumbnail shows nothing but shading and rounding."""

ROLES = ("shot", "good", "validation", "test")
_COARSE = 8
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One real image. role: "shot", "good", "validation" or "test"; file: None for a rendered one; perceptual_hash: the
    32 x 32 bytes of `synth.io.images.perceptual_hash`; labels: sha256 of mask and coordinates, None in ledgers without
    them."""

    id: str
    file: str | None
    role: str
    product: str
    defect: str | None
    sha256: str
    perceptual_hash: bytes
    labels: str | None = None

    @property
    def name(self) -> str:
        return self.file or self.id


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Two rows with one image; `distance` in grey levels between their perceptual hashes."""

    first: LedgerRow
    second: LedgerRow
    distance: float

    def __str__(self) -> str:
        equal = self.first.sha256 == self.second.sha256
        how = (
            "hold the same pixels"
            if equal
            else f"show one image, copied or turned ({self.distance:.1f} grey levels apart)"
        )
        return f"{self.first.role} {self.first.name} and {self.second.role} {self.second.name} {how}"


def build_ledger(roles: Mapping[str, Sequence[Sample]], hashes: Mapping[str, np.ndarray]) -> list[LedgerRow]:
    """One row for each sample with a role, by id: the `roles` and `hashes` of a split."""
    rows = (ledger_row(role, sample, hashes.get(sample.id)) for role, samples in roles.items() for sample in samples)
    return sorted(rows, key=lambda row: row.id)


def ledger_row(role: str, sample: Sample, thumbnail: np.ndarray | None = None) -> LedgerRow:
    """The row of a sample; its pixels are needed where the perceptual hash or meta["sha256"] is missing."""
    if thumbnail is None:
        thumbnail = perceptual_hash(_pixels(sample))
    return LedgerRow(
        id=sample.id,
        file=sample.meta.get("file"),
        role=role,
        product=str(sample.product),
        defect=sample.defect,
        sha256=sample.meta.get("sha256") or content_hash(_pixels(sample)),
        perceptual_hash=thumbnail.tobytes(),
        labels=sample.meta.get("labels"),
    )


def validation_shots(ledger: Sequence[LedgerRow], kinds: Collection[tuple[str, str]]) -> dict[str, int]:
    """How many shots of each (product, defect type) of `kinds` that has some are kept for validation, by
    "product/type"."""
    kept = [row for row in ledger if row.role == "validation" and (row.product, row.defect) in kinds]
    return dict(sorted(Counter(f"{row.product}/{row.defect}" for row in kept).items()))


def counts_by_type(counts: Mapping[str, int]) -> str:
    """As in "2 of tile/crack, 3 of tile/pit"; "none" for nothing."""
    return ", ".join(f"{count} of {kind}" for kind, count in counts.items()) or "none"


def check_leaks(ledger: Sequence[LedgerRow]) -> list[Duplicates]:
    """The images that occur twice within one role, which only wastes room, as `find_duplicates` pairs them. Raises
    LeakError, naming both files, where an image has two roles."""
    duplicates = list(find_duplicates(ledger))
    leaks = [pair for pair in duplicates if pair.first.role != pair.second.role]
    if leaks:
        more = f" (and {len(leaks) - 1} more pairs)" if len(leaks) > 1 else ""
        raise LeakError(
            f"{leaks[0]}{more}; an image may have one role only: remove one of the two, list one of them in the split "
            "file, or leave one out with source.exclude"
        )
    return duplicates


def find_duplicates(ledger: Sequence[LedgerRow]) -> Iterator[Duplicates]:
    """Rows that are one image, in the order of the ledger: of each group of such rows as many pairs as hold it
    together, so that n copies of an image give n - 1 pairs and not n (n - 1) / 2.

    Every row with a duplicate is in a pair, and a group of several roles has a pair of two roles."""
    if not ledger:
        return
    hashes = np.stack([np.frombuffer(row.perceptual_hash, np.uint8) for row in ledger])
    hashes = hashes.reshape(-1, HASH_SIDE, HASH_SIDE)
    limits = same_image_limits(hashes)
    _, content = np.unique([row.sha256 for row in ledger], return_inverse=True)
    group = np.arange(len(ledger))
    for first, others in _candidates(hashes, limits, content, group):
        distances = hash_distances(hashes[others], hashes[first : first + 1])[:, 0]
        same = (distances <= np.minimum(limits[others], limits[first])) | (content[others] == content[first])
        for second, distance in zip(others[same].tolist(), distances[same].tolist(), strict=True):
            if group[second] != group[first]:
                group[group == group[second]] = group[first]
                yield Duplicates(ledger[first], ledger[second], distance)


def duplicate_groups(ledger: Sequence[LedgerRow]) -> list[list[LedgerRow]]:
    """The rows of each image that occurs more than once, in the order of the ledger."""
    place = {row.id: number for number, row in enumerate(ledger)}
    group = np.arange(len(ledger))
    for pair in find_duplicates(ledger):
        group[group == group[place[pair.second.id]]] = group[place[pair.first.id]]
    members: dict[int, list[LedgerRow]] = defaultdict(list)
    for row, number in zip(ledger, group.tolist(), strict=True):
        members[number].append(row)
    return [rows for rows in members.values() if len(rows) > 1]


def _candidates(
    hashes: np.ndarray, limits: np.ndarray, content: np.ndarray, group: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """(row, later rows that may be its image and are of another group as yet); `group` changes in between."""
    coarse = hashes.reshape(-1, _COARSE, HASH_SIDE // _COARSE, _COARSE, HASH_SIDE // _COARSE).mean((2, 4))
    for start in range(0, len(hashes), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(hashes)))
        columns = np.arange(start, len(hashes))
        if (group[rows] == group[start]).all():
            columns = columns[group[columns] != group[start]]
        if len(columns) == 0:
            continue
        # Averaging never adds distance: what is too far apart at 8 x 8 is too far at 32 x 32 (0.1: float32's slack).
        near = hash_distances(coarse[rows], coarse[columns]) - 0.1 <= np.minimum.outer(limits[rows], limits[columns])
        near |= content[rows, None] == content[None, columns]
        for first, close in zip(rows.tolist(), near, strict=True):
            others = columns[close & (columns > first) & (group[columns] != group[first])]
            if len(others):
                yield first, others


def same_image_limits(hashes: np.ndarray) -> np.ndarray:
    """Largest distance (N,) at which an image with each of these perceptual hashes (N, 32, 32) is the same; -1 where
    it shows too little detail to decide."""
    values = hashes.astype(np.float32)
    detail = (values - gaussian_filter(values, (0, 2, 2))).std((1, 2))
    return np.where(detail < LEAST_DETAIL, -1.0, np.minimum(SAME_IMAGE, SAME_DETAIL * detail))


def write_ledger(ledger: Sequence[LedgerRow], path: str | Path) -> None:
    """Parquet with the fields of LedgerRow as columns; whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [getattr(row, name) for row in ledger] for name in LedgerRow.__slots__}
    types = {name: pa.binary() if name == "perceptual_hash" else pa.string() for name in LedgerRow.__slots__}
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns, schema=pa.schema(types)), temporary, write_page_checksum=True)


def read_ledger(path: str | Path) -> list[LedgerRow]:
    """What `write_ledger` wrote. SourceError for any other file and for a damaged one."""
    import pyarrow.parquet as pq

    path = regular_file(path)
    try:
        table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
        rows = [LedgerRow(**row) for row in table.to_pylist()]
        wrong = next((row for row in rows if not _is_whole(row)), None)
    except Exception as problem:  # Arrow fails in many ways; the file is what can be mended
        raise SourceError(f"{path} is not a ledger ({reason(problem)}); name the ledger.parquet of a run") from problem
    if wrong is not None:
        raise SourceError(f"{path} is damaged: row {wrong.id!r} is incomplete; copy the run again, or make it anew")
    return rows


def _is_whole(row: LedgerRow) -> bool:
    texts = (row.id, row.product, row.sha256)
    return (
        all(isinstance(text, str) for text in texts)
        and row.role in ROLES
        and isinstance(row.perceptual_hash, bytes)
        and len(row.perceptual_hash) == HASH_SIDE**2
    )


def _pixels(sample: Sample) -> np.ndarray:
    if sample.image is None:
        raise SourceError(f"{sample.id} has neither pixels nor hashes; make the split with make_split")
    return sample.image
