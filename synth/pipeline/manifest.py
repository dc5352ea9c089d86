"""The manifest: the accepted samples of a finished run as one parquet table, and what is missing from it.

One row a sample, by product, defect and index: id, image and mask (paths inside the run), their sha256, product,
defect, index, seed, window (top, left, side in px), start (content hash of the good image), start_file, one float
column a score, and as JSON `extras` (further files) and `instances` (what is known of each defect). The schema's
metadata carries the shortfalls. The same records give the same bytes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.io.atomic import replacing
from synth.pipeline.journal import Record

SCORES = ("area", "on_product", "contrast", "agreement", "covered", "confidence")
_TEXT = ("id", "image", "mask", "image_sha256", "mask_sha256", "product", "defect", "start", "start_file")


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A (product, defect) whose quota was not met within the attempts allowed."""

    product: str
    defect: str
    wanted: int
    accepted: int
    attempts: int
    reasons: dict[str, int]

    def __str__(self) -> str:
        counted = ", ".join(f"{reason} {count}" for reason, count in self.reasons.items())
        found = f"{self.accepted} of {self.wanted} accepted in {self.attempts} attempts"
        return f"{self.product}/{self.defect}: {found} ({counted or 'none rejected'})"


def write_manifest(path: Path, records: Sequence[Record], shortfalls: Sequence[Shortfall]) -> None:
    """Write the table under a temporary name, then rename."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array([getattr(r, name) for r in records], pa.string()) for name in _TEXT}
    columns["index"] = pa.array([r.index for r in records], pa.int64())
    columns["seed"] = pa.array([r.seed for r in records], pa.int64())
    columns["window"] = pa.array([r.window for r in records], pa.list_(pa.int32()))
    columns |= {name: pa.array([r.scores.get(name) for r in records], pa.float64()) for name in SCORES}
    for name in ("extras", "instances"):
        values = [json.dumps(getattr(r, name), ensure_ascii=False) for r in records]
        columns[name] = pa.array(values, pa.string())
    missing = json.dumps([dataclasses.asdict(shortfall) for shortfall in shortfalls], ensure_ascii=False)
    table = pa.table(columns).replace_schema_metadata({"shortfalls": missing})
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


def read_manifest(path: Path) -> tuple[list[Record], list[Shortfall]]:
    """What `write_manifest` wrote."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    shortfalls = [Shortfall(**entry) for entry in json.loads((table.schema.metadata or {})[b"shortfalls"])]
    return [_record(row) for row in table.to_pylist()], shortfalls


def _record(row: dict) -> Record:
    scores = {name: row[name] for name in SCORES if row[name] is not None}
    window = None if row["window"] is None else tuple(row["window"])
    fields = {name: row[name] for name in (*_TEXT, "index", "seed")}
    extras = {kind: tuple(file) for kind, file in json.loads(row.get("extras") or "{}").items()}
    instances = json.loads(row.get("instances") or "[]")
    return Record(**fields, status="accepted", window=window, scores=scores, extras=extras, instances=instances)
