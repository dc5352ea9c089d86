"""The manifest: the accepted samples of a finished run as one parquet table, and what is missing from it.

One row a sample, by product, defect and index: id, image and mask (paths inside the run), image_sha256, mask_sha256,
drawn_mask_sha256 (of the mask as it was drawn, where a person edited it), product, defect, index, seed, window (top,
left, side in px), start (content hash of the good image), start_file, one float column for each of
`synth.checks.mask.SCORES`, and `record`: all that is known, as the JSON of
`synth.pipeline.stored`. The schema's metadata carries the shortfalls. The same records give the same bytes.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.checks import REMEDIES
from synth.checks.mask import SCORES
from synth.errors import RunError
from synth.io.json_text import json_text
from synth.pipeline.stored import StoredSample

_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A (product, defect) whose quota was not met within the attempts allowed. `reasons` by count, and the `cause` of
    the first, as in `synth.pipeline.journal.Yield`."""

    product: str
    defect: str
    wanted: int
    accepted: int
    attempts: int
    reasons: dict[str, int]
    cause: str = ""

    @property
    def remedy(self) -> str:
        """What to do about the most frequent reason."""
        return REMEDIES.get(next(iter(self.reasons), ""), "raise request.max_attempts")

    def __str__(self) -> str:
        counted = ", ".join(f"{reason} {count}" for reason, count in self.reasons.items())
        found = f"{self.accepted} of {self.wanted} accepted in {self.attempts} attempts"
        cause = f", most often: {self.cause}" if self.cause else ""
        return f"{self.product}/{self.defect}: {found} ({counted or 'none rejected'}){cause}"


def manifest_bytes(samples: Iterable[StoredSample], shortfalls: Sequence[Shortfall]) -> bytes:
    """The file's content."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    missing = json_text([dataclasses.asdict(shortfall) for shortfall in shortfalls], ensure_ascii=False)
    schema = _schema().with_metadata({"shortfalls": missing})
    buffer, rest = io.BytesIO(), iter(samples)
    with pq.ParquetWriter(buffer, schema) as writer:
        while chunk := list(itertools.islice(rest, _ROWS)):
            writer.write_table(pa.Table.from_pylist([_row(sample) for sample in chunk], schema))
    return buffer.getvalue()


def read_manifest(path: Path) -> tuple[list[StoredSample], list[Shortfall]]:
    """What `manifest_bytes` made. RunError for a file that is none of this version's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        shortfalls = [Shortfall(**entry) for entry in json.loads((table.schema.metadata or {})[b"shortfalls"])]
        return [StoredSample.from_json(json.loads(text)) for text in table["record"].to_pylist()], shortfalls
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, AttributeError, RecursionError) as problem:
        raise RunError(
            f"{path} cannot be read as a manifest of this version ({problem}); make the run again in another folder"
        ) from problem


def _schema() -> Any:
    import pyarrow as pa

    text = ["id", "image", "mask", "image_sha256", "mask_sha256", "drawn_mask_sha256"]
    text += ["product", "defect", "start", "start_file"]
    fields = [(name, pa.string()) for name in text] + [("index", pa.int64()), ("seed", pa.int64())]
    fields += [("window", pa.list_(pa.int32())), *((name, pa.float64()) for name in SCORES), ("record", pa.string())]
    return pa.schema(fields)


def _row(sample: StoredSample) -> dict[str, Any]:
    made, files = sample.generated, sample.files
    start = made.start
    return {
        "id": sample.id,
        **{kind: files[kind].path if kind in files else None for kind in ("image", "mask")},
        **{f"{kind}_sha256": files[kind].sha256 if kind in files else None for kind in ("image", "mask")},
        "drawn_mask_sha256": made.edited.get("mask"),
        "product": sample.product,
        "defect": sample.defect,
        "start": None if start is None else start.sha256,
        "start_file": None if start is None else start.file,
        "index": made.index,
        "seed": made.seed,
        "window": made.window,
        **{name: sample.scores.get(name) for name in SCORES},
        "record": json_text(sample.to_json(), ensure_ascii=False),
    }
