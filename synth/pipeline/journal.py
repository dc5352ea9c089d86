"""The journal: what became of every candidate, one JSON line each, and a line that closes each shard.

A shard is appended in one write and reaches the disk before the next is committed. Its closing line has its number and
the sha256 of its lines. On opening, everything counts up to the last shard that is whole; what follows is cut away by
the next `add`: those candidates are made again, to the same bits. Records stay in the file until they are asked for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.generators import BECAUSE
from synth.io.atomic import append, replacing
from synth.io.json_text import json_text
from synth.pipeline.stored import StoredSample

Kind = tuple[str, str]
"""(product, defect type)."""


@dataclass(frozen=True, slots=True)
class Yield:
    """What a (product, defect) has come to. `cause`: what was found of those that were rejected for the most frequent
    reason; the most frequent text, one of those that differ in numbers alone. Of the accepted ones a person left out
    `dropped`, and `rejected`, for which others are made."""

    product: str
    defect: str
    accepted: int
    surplus: int
    reasons: dict[str, int]
    cause: str = ""
    dropped: int = 0
    rejected: int = 0

    @property
    def attempts(self) -> int:
        """Candidates drawn so far."""
        return self.accepted + self.surplus + sum(self.reasons.values())


@dataclass(slots=True)
class _Stream:
    """The closed shards of one (product, defect): where their lines are in the file, and what their candidates came
    to."""

    shards: list[tuple[int, int]] = field(default_factory=list)
    roles: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    causes: dict[str, Counter[str]] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def note(self, reason: str, detail: str) -> None:
        """Count a rejected candidate."""
        self.reasons[reason] += 1
        cause = detail.rpartition(BECAUSE)[2]
        pattern = re.sub(r"\d+", "0", cause)
        self.causes.setdefault(reason, Counter())[pattern] += 1
        self.examples.setdefault(pattern, cause)

    def cause(self, reason: str | None) -> str:
        """The most frequent cause of a reason."""
        return self.examples[self.causes[reason].most_common(1)[0][0]] if reason is not None else ""


class Journal:
    """The closed shards of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._load()

    def _load(self) -> None:
        self._streams: dict[Kind, _Stream] = {}
        self._end = 0
        if not self.path.exists():
            return
        lines, entries = [], []
        with self.path.open("rb") as file:
            for line in file:
                entry = _parse(line)
                if entry is None:
                    return
                lines.append(line)
                entries.append(entry)
                if "shard" in entry:
                    if not self._close(lines, entries):
                        return
                    lines, entries = [], []

    def _close(self, lines: Sequence[bytes], entries: Sequence[Mapping[str, Any]]) -> bool:
        """Count a shard that was read from the file; False where its lines are not those that `add` wrote."""
        *made, closing = entries
        kind = str(closing.get("product")), str(closing.get("defect"))
        if lines[-1] != _closing(kind, self.closed(kind), b"".join(lines[:-1])):
            return False
        if any((entry.get("product"), entry.get("defect")) != kind for entry in made):
            return False
        self._count(kind, sum(map(len, lines)), made)
        return True

    def _count(self, kind: Kind, size: int, entries: Sequence[Mapping[str, Any]]) -> None:
        """One more shard, in the next `size` bytes of the file."""
        stream = self._streams.setdefault(kind, _Stream())
        stream.shards.append((self._end, self._end + size))
        stream.roles.update(str(entry.get("role")) for entry in entries)
        for entry in entries:
            if "reason" in entry:
                stream.note(str(entry["reason"]), str(entry.get("detail", "")))
        self._end += size

    def closed(self, kind: Kind) -> int:
        """Number of closed shards of (product, defect), which is the number of the next."""
        return len(self._streams.get(kind, _Stream()).shards)

    def add(self, kind: Kind, samples: Sequence[StoredSample]) -> None:
        """Append one shard and close it. WriterError when the disk refuses; then nothing counts."""
        entries = [sample.to_json() for sample in samples]
        content = b"".join(map(_line, entries))
        content += _closing(kind, self.closed(kind), content)
        append(self.path, content, self._end)
        self._count(kind, len(content), entries)

    def reopen(self, damaged: Collection[tuple[str, str, int]]) -> None:
        """Take the shards (product, defect, number) out, with all later ones of their kind, so that they are made
        again."""
        first: dict[Kind, int] = {}
        for product, defect, number in damaged:
            first[product, defect] = min(number, first.get((product, defect), number))
        self._rewrite(sorted(p for kind, one in self._streams.items() for p in one.shards[: first.get(kind)]))

    def arrange(self) -> None:
        """Put the shards into the order of a run without interruptions: by product, defect and number."""
        places = [place for kind in self.kinds for place in self._streams[kind].shards]
        if places != sorted(places):
            self._rewrite(places)

    def _rewrite(self, places: Sequence[tuple[int, int]]) -> None:
        """Replace the file by these parts of it."""
        with replacing(self.path) as temporary, temporary.open("wb") as target, self.path.open("rb") as file:
            for start, stop in places:
                file.seek(start)
                target.write(file.read(stop - start))
        self._load()

    def samples(self, kind: Kind | None = None) -> Iterator[StoredSample]:
        """The candidates of one (product, defect) by index, or of all of them, by name."""
        for one in self.kinds if kind is None else [kind]:
            if one in self._streams:
                yield from self._read(self._streams[one].shards)

    @property
    def kinds(self) -> list[Kind]:
        """Every (product, defect) of which candidates were drawn, by name."""
        return sorted(self._streams)

    def result(self, kind: Kind) -> Yield:
        """Counts of one (product, defect); reasons by count, then by name."""
        found = self._streams.get(kind, _Stream())
        ordered = dict(sorted(found.reasons.items(), key=lambda item: (-item[1], item[0])))
        cause = found.cause(next(iter(ordered), None))
        return Yield(*kind, found.roles["accepted"], found.roles["surplus"], ordered, cause)

    def _read(self, places: Sequence[tuple[int, int]]) -> Iterator[StoredSample]:
        with self.path.open("rb") as file:
            for start, stop in places:
                file.seek(start)
                lines = file.read(stop - start).splitlines()
                yield from (StoredSample.from_json(json.loads(line)) for line in lines[:-1])


def _closing(kind: Kind, number: int, lines: bytes) -> bytes:
    """The line that closes a shard with these lines."""
    sha256 = hashlib.sha256(lines).hexdigest()
    return _line({"shard": number, "product": kind[0], "defect": kind[1], "sha256": sha256})


def _line(entry: dict[str, Any]) -> bytes:
    return (json_text(entry, ensure_ascii=False) + "\n").encode()


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None
