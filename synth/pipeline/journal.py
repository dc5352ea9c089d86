"""The journal: what became of every candidate, one JSON line each, and a line that closes each shard.

A shard is appended in one write and reaches the disk before the next is committed. Its closing line has the sha256 of
its lines. On opening, everything counts up to the last shard that is whole; what follows is cut away by the next
`add`: those candidates are made again, to the same bits. Records stay in the file until they are asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.io.atomic import append, replacing
from synth.pipeline.stored import StoredSample

Kind = tuple[str, str]
"""(product, defect type)."""


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


@dataclass(slots=True)
class _Counts:
    """Candidates by role, and rejected ones by reason."""

    roles: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: _Counts) -> None:
        self.roles.update(other.roles)
        self.reasons.update(other.reasons)


Span = tuple[int, int]
"""Where the lines of a closed shard begin and end in the file."""


class Journal:
    """The closed shards of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._shards: dict[Kind, list[Span]] = {}
        self._counts: dict[Kind, _Counts] = {}
        self._end = 0
        if path.exists():
            self._load()

    def _load(self) -> None:
        counts, digest, place = _Counts(), hashlib.sha256(), 0
        with self.path.open("rb") as file:
            for line in file:
                entry = _parse(line)
                if entry is None or ("shard" in entry and entry.get("sha256") != digest.hexdigest()):
                    break
                place += len(line)
                if "shard" not in entry:
                    digest.update(line)
                    counts.roles[str(entry.get("role"))] += 1
                    counts.reasons.update([entry["reason"]] if "reason" in entry else [])
                    continue
                self._close((entry["product"], entry["defect"]), place, counts)
                counts, digest = _Counts(), hashlib.sha256()

    def _close(self, kind: Kind, stop: int, counts: _Counts) -> None:
        self._shards.setdefault(kind, []).append((self._end, stop))
        self._counts.setdefault(kind, _Counts()).add(counts)
        self._end = stop

    def closed(self, kind: Kind) -> int:
        """Number of closed shards of (product, defect), which is the number of the next."""
        return len(self._shards.get(kind, []))

    def add(self, kind: Kind, samples: Sequence[StoredSample]) -> None:
        """Append one shard and close it. WriterError when the disk refuses; then nothing counts."""
        content = _lines(kind, self.closed(kind), samples)
        append(self.path, content, self._end)
        roles = Counter(str(sample.role) for sample in samples)
        reasons = Counter(sample.reason for sample in samples if sample.reason is not None)
        self._close(kind, self._end + len(content), _Counts(roles, reasons))

    def reopen(self, dropped: Collection[tuple[str, str, int]]) -> None:
        """Take the shards (product, defect, number) out, with all later ones of their kind, so that they are made
        again. The file is replaced as a whole."""
        first: dict[Kind, int] = {}
        for product, defect, number in dropped:
            first[product, defect] = min(number, first.get((product, defect), number))
        self._rewrite(sorted(span for kind, spans in self._shards.items() for span in spans[: first.get(kind)]))

    def arrange(self) -> None:
        """Put the shards in the order of a run that was never interrupted, damaged or grown: by name and number."""
        ordered = [span for kind in sorted(self._shards) for span in self._shards[kind]]
        if ordered != sorted(ordered):
            self._rewrite(ordered)

    def _rewrite(self, spans: Sequence[Span]) -> None:
        with replacing(self.path) as temporary, temporary.open("wb") as target, self.path.open("rb") as file:
            for start, stop in spans:
                file.seek(start)
                target.write(file.read(stop - start))
        self._shards, self._counts, self._end = {}, {}, 0
        self._load()

    def shard(self, kind: Kind, number: int) -> list[StoredSample]:
        """The candidates of one closed shard."""
        return list(self._read([self._shards[kind][number]]))

    def samples(self, kind: Kind | None = None) -> Iterator[StoredSample]:
        """The candidates of one (product, defect) by index, or of all of them, by name."""
        kinds = sorted(self._shards) if kind is None else [kind]
        for one in kinds:
            yield from self._read(self._shards.get(one, []))

    def accepted(self) -> Iterator[StoredSample]:
        """The dataset, by product, defect and index."""
        return (sample for sample in self.samples() if sample.role == "accepted")

    @property
    def kinds(self) -> list[Kind]:
        """Every (product, defect) of which candidates were drawn, by name."""
        return sorted(self._shards)

    def result(self, kind: Kind) -> Yield:
        """Counts of one (product, defect); reasons by count, then by name."""
        counts = self._counts.get(kind, _Counts())
        ordered = dict(sorted(counts.reasons.items(), key=lambda item: (-item[1], item[0])))
        return Yield(*kind, counts.roles["accepted"], counts.roles["surplus"], ordered)

    def _read(self, shards: Sequence[Span]) -> Iterator[StoredSample]:
        if not shards:
            return
        with self.path.open("rb") as file:
            for start, stop in shards:
                file.seek(start)
                lines = file.read(stop - start).splitlines()
                yield from (StoredSample.from_json(json.loads(line)) for line in lines[:-1])


def _lines(kind: Kind, number: int, samples: Sequence[StoredSample]) -> bytes:
    """The text of a shard."""
    content = b"".join(_line(sample.to_json()) for sample in samples)
    closing = {"shard": number, "product": kind[0], "defect": kind[1], "sha256": hashlib.sha256(content).hexdigest()}
    return content + _line(closing)


def _line(entry: dict[str, Any]) -> bytes:
    return (json.dumps(entry, ensure_ascii=False) + "\n").encode()


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None
