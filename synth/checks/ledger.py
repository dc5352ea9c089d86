"""The leak ledger: every real image, its role and its two hashes; no image may play two roles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synth.errors import SourceError
from synth.io.atomic import replacing
from synth.io.images import HASH_SIDE, content_hash, perceptual_hash
from synth.io.regular import reason, regular_file
from synth.sample import Sample

ROLES = ("shot", "good", "validation", "test")


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
