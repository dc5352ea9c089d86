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
class _Shard:
    """A closed shard: where its lines are in the file, and what its candidates came to."""

    start: int
    stop: int
    roles: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


class Journal:
    """The closed shards of a run. `torn`: lines beyond the last whole shard were dropped on opening, more than an
    interrupted write leaves; a finished run has none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn = False
        self._shards: dict[Kind, list[_Shard]] = {}
        self._end = 0
        if path.exists():
            self._load()

    def _load(self) -> None:
        shard, digest = _Shard(0, 0), hashlib.sha256()
        with self.path.open("rb") as file:
            for line in file:
                entry = _parse(line)
                if entry is None or ("shard" in entry and entry.get("sha256") != digest.hexdigest()):
                    break
                shard.stop += len(line)
                if "shard" not in entry:
                    digest.update(line)
                    shard.roles[str(entry.get("role"))] += 1
                    shard.reasons.update([entry["reason"]] if "reason" in entry else [])
                    continue
                self._shards.setdefault((entry["product"], entry["defect"]), []).append(shard)
                self._end = shard.stop
                shard, digest = _Shard(self._end, self._end), hashlib.sha256()
            self.torn = bool(file.read(1))

    def closed(self, kind: Kind) -> int:
        """Number of closed shards of (product, defect), which is the number of the next."""
        return len(self._shards.get(kind, []))

    def add(self, kind: Kind, samples: Sequence[StoredSample]) -> None:
        """Append one shard and close it. WriterError when the disk refuses; then nothing counts."""
        content, shard = _lines(kind, self.closed(kind), samples)
        shard.start += self._end
        shard.stop += self._end
        append(self.path, content, self._end)
        self._shards.setdefault(kind, []).append(shard)
        self._end = shard.stop

    def reopen(self, dropped: Collection[tuple[str, str, int]]) -> None:
        """Take the shards (product, defect, number) out, with all later ones of their kind, so that they are made
        again. The file is replaced as a whole."""
        first: dict[Kind, int] = {}
        for product, defect, number in dropped:
            first[product, defect] = min(number, first.get((product, defect), number))
        kept = [
            (kind, shard)
            for kind, shards in self._shards.items()
            for number, shard in enumerate(shards)
            if number < first.get(kind, number + 1)
        ]
        kept.sort(key=lambda pair: pair[1].start)
        with replacing(self.path) as temporary, temporary.open("wb") as target, self.path.open("rb") as file:
            for _, shard in kept:
                file.seek(shard.start)
                target.write(file.read(shard.stop - shard.start))
        self.__init__(self.path)  # type: ignore[misc]

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
        roles: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        for shard in self._shards.get(kind, []):
            roles.update(shard.roles)
            reasons.update(shard.reasons)
        ordered = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
        return Yield(*kind, roles["accepted"], roles["surplus"], ordered)

    def _read(self, shards: Sequence[_Shard]) -> Iterator[StoredSample]:
        if not shards:
            return
        with self.path.open("rb") as file:
            for shard in shards:
                file.seek(shard.start)
                lines = file.read(shard.stop - shard.start).splitlines()
                yield from (StoredSample.from_json(json.loads(line)) for line in lines[:-1])


def _lines(kind: Kind, number: int, samples: Sequence[StoredSample]) -> tuple[bytes, _Shard]:
    """The text of a shard, and the shard as if the file began with it."""
    content = b"".join(_line(sample.to_json()) for sample in samples)
    closing = {"shard": number, "product": kind[0], "defect": kind[1], "sha256": hashlib.sha256(content).hexdigest()}
    content += _line(closing)
    roles = Counter(str(sample.role) for sample in samples)
    reasons = Counter(sample.reason for sample in samples if sample.reason is not None)
    return content, _Shard(0, len(content), roles, reasons)


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
