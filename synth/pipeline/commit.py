"""Committing: the one place where candidates become samples of a run.

Shards are committed in order. The first candidates that passed are accepted, until the quota is met; their files are
written, then they are journaled. So the end does not depend on who made the shards, or when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from synth.io.atomic import write_whole
from synth.io.encoded import Encoded
from synth.io.names import file_name
from synth.pipeline.folder import RunFolder
from synth.pipeline.journal import Journal
from synth.pipeline.manifest import Shortfall
from synth.pipeline.shards import Candidate, Stream
from synth.pipeline.stored import StoredFile, StoredSample

REJECTED_KEPT = 24
"""Rejected candidates of a (product, defect) that are kept as small images, the first ones."""


class Committer:
    """Decides what becomes of the candidates of a run, and writes it."""

    def __init__(self, folder: RunFolder, journal: Journal) -> None:
        self._folder, self._journal = folder, journal

    def accepted(self, stream: Stream) -> int:
        """Samples of the stream so far."""
        return self._journal.result(stream.kind).accepted

    def next_shard(self, stream: Stream) -> int | None:
        """Number of the shard that is to be committed next; None when the quota is met or the attempts are used up."""
        number = self._journal.closed(stream.kind)
        return number if number < stream.shards and self.accepted(stream) < stream.quota else None

    def commit(self, stream: Stream, candidates: Sequence[Candidate]) -> None:
        """Accept, write and journal the candidates of the stream's next shard."""
        result = self._journal.result(stream.kind)
        accepted, rejected = result.accepted, sum(result.reasons.values())
        samples = []
        for candidate in candidates:
            sample = candidate.sample
            if sample.role == "accepted" and accepted >= stream.quota:
                sample = replace(sample, role="surplus")
            elif sample.role == "accepted" or rejected < REJECTED_KEPT:
                sample = self._write(sample, candidate.files)
            accepted += sample.role == "accepted"
            rejected += sample.role == "rejected"
            samples.append(sample)
        self._journal.add(stream.kind, samples)

    def shortfall(self, stream: Stream) -> Shortfall | None:
        """What is missing from the stream's quota, None if nothing."""
        result = self._journal.result(stream.kind)
        if result.accepted >= stream.quota:
            return None
        wanted, accepted = stream.quota - stream.rejected, result.accepted - stream.rejected
        return Shortfall(*stream.kind, wanted, accepted, result.attempts, dict(result.reasons), result.cause)

    def owes(self, stream: Stream) -> bool:
        """Whether the stream may still get samples that it lacks."""
        passed_over = self._journal.result(stream.kind).surplus > 0
        return self.accepted(stream) < stream.quota and (passed_over or self.next_shard(stream) is not None)

    def _write(self, sample: StoredSample, files: Mapping[str, Encoded]) -> StoredSample:
        top = self._folder.rejected if sample.role == "rejected" else self._folder.samples
        place = top / file_name(sample.product) / file_name(str(sample.defect))
        written = {}
        for kind, file in files.items():
            path = place / f"{file_name(sample.id)}{file.suffix}"
            write_whole(path, file.content)
            written[kind] = StoredFile(path.relative_to(self._folder.path).as_posix(), file.sha256)
        return replace(sample, files=written)
