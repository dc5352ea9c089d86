"""The journal: what became of every candidate, one JSON line each, and a line that closes each batch.

A batch is appended in one write and reaches the disk before the next is drawn. On opening, whatever follows the last
closed batch is cut away: those candidates are drawn again, to the same bits.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from synth.errors import RunError, WriterError
from synth.io.atomic import explain

Status = Literal["accepted", "rejected", "surplus"]


@dataclass(frozen=True, slots=True)
class Record:
    """One candidate. `image` and `mask` are paths inside the run, set where something was kept (of a rejected
    candidate: small images). `window` is top, left, side in px; `start` the content hash of the good image.
    `extras` are further files of the sample, (path inside the run, sha256) by kind: "xyz", "cloud", "masks";
    `instances` tell its
    defects, `unmeasured` names the scores that could not be measured."""

    id: str
    product: str
    defect: str
    index: int
    seed: int
    status: Status
    reason: str | None = None
    detail: str | None = None
    image: str | None = None
    mask: str | None = None
    image_sha256: str | None = None
    mask_sha256: str | None = None
    start: str | None = None
    start_file: str | None = None
    window: tuple[int, int, int] | None = None
    scores: dict[str, float] = field(default_factory=dict)
    extras: dict[str, tuple[str, str]] = field(default_factory=dict)
    instances: list[dict[str, Any]] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)

    @property
    def files(self) -> tuple[str, str]:
        """Image and mask of a candidate that was kept."""
        if self.image is None or self.mask is None:
            raise RunError(f"{self.id} was {self.status} and no image of it was kept")
        return self.image, self.mask


@dataclass(frozen=True, slots=True)
class Yield:
    """What a (product, defect) has come to."""

    product: str
    defect: str
    accepted: int
    surplus: int
    reasons: dict[str, int]

    @property
    def attempts(self) -> int:
        """Candidates drawn so far."""
        return self.accepted + self.surplus + sum(self.reasons.values())


class Journal:
    """The records of a run's closed batches, in the order they were drawn."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[Record] = []
        self._batches: Counter[tuple[str, str]] = Counter()
        self._end = 0
        if path.exists():
            self._load()

    def _load(self) -> None:
        lines = self.path.read_bytes().splitlines(keepends=True)
        open_batch: list[Record] = []
        offset = 0
        for number, line in enumerate(lines, start=1):
            offset += len(line)
            entry = _parse(line)
            if entry is None:
                if number < len(lines):
                    raise RunError(f"{self.path}:{number} is damaged; delete from this line on and run again")
                break
            if "batch" in entry:
                self._close(entry["product"], entry["defect"], open_batch)
                open_batch = []
                self._end = offset
            else:
                extras = {kind: (path, sha256) for kind, (path, sha256) in entry.get("extras", {}).items()}
                entry |= {"window": _as_window(entry["window"]), "extras": extras}
                open_batch.append(Record(**entry))

    def _close(self, product: str, defect: str, records: Iterable[Record]) -> None:
        self.records.extend(records)
        self._batches[product, defect] += 1

    def closed(self, product: str, defect: str) -> int:
        """Number of closed batches of the stream, which is the number of the next."""
        return self._batches[product, defect]

    def add(self, product: str, defect: str, records: Sequence[Record]) -> None:
        """Append one batch of the stream and close it. WriterError when the disk refuses; then nothing counts."""
        number = self.closed(product, defect)
        entries = [dataclasses.asdict(record) for record in records]
        entries.append({"batch": number, "product": product, "defect": defect})
        content = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries).encode()
        try:
            with self.path.open("ab") as file:
                file.truncate(self._end)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise WriterError(f"{self.path} cannot be written: {explain(problem, self.path)}") from problem
        self._end += len(content)
        self._close(product, defect, records)

    def accepted(self) -> list[Record]:
        """The dataset, by product, defect and index."""
        kept = [record for record in self.records if record.status == "accepted"]
        return sorted(kept, key=lambda record: (record.product, record.defect, record.index))

    def result(self, product: str, defect: str) -> Yield:
        """Counts of one stream; reasons by count, then by name."""
        stream = [r for r in self.records if (r.product, r.defect) == (product, defect)]
        status = Counter(record.status for record in stream)
        reasons = Counter(record.reason for record in stream if record.reason)
        ordered = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
        return Yield(product, defect, status["accepted"], status["surplus"], ordered)


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _as_window(value: list[int] | None) -> tuple[int, int, int] | None:
    return None if value is None else (value[0], value[1], value[2])
