"""Drawing until the quotas are met: shards are made ahead by an executor and committed in order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

from synth.errors import RunError
from synth.pipeline.commit import Committer
from synth.pipeline.executors import Executor
from synth.pipeline.folder import RunFolder
from synth.pipeline.shards import Candidate, Shard, Stream, load_shard
from synth.progress import WHOLE, Progress

AHEAD = 2
"""Shards for each worker that are under way or wait to be committed."""


def draw_streams(
    streams: Sequence[Stream], executor: Executor, committer: Committer, folder: RunFolder, progress: Progress
) -> None:
    """Draw, judge and commit shard after shard, stream after stream, until each quota is met or its attempts are used
    up."""
    quotas = [stream.quota for stream in streams]
    for position, stream in enumerate(streams):
        stage, before = f"drawing {stream.product}/{stream.defect}", sum(quotas[:position])
        progress(WHOLE, before + committer.accepted(stream), sum(quotas))
        progress(stage, committer.accepted(stream), stream.quota)
        while (number := committer.next_shard(stream)) is not None:
            shard = stream.shard(number)
            for ahead in _ahead(streams[position:], committer, executor.workers):
                if not ahead.path(folder.shards).exists():
                    executor.submit(ahead)
            committer.commit(stream, _candidates(shard, executor, folder))
            progress(WHOLE, before + committer.accepted(stream), sum(quotas))
            progress(stage, committer.accepted(stream), stream.quota)
    progress(WHOLE, sum(quotas), sum(quotas))


def shards_wanted(stream: Stream, committer: Committer) -> int:
    """How many shards the stream will take in all, by what was accepted so far; without any, as if all were."""
    number = committer.next_shard(stream)
    if number is None:
        return 0
    accepted = committer.accepted(stream)
    share = accepted / (number * stream.size) if accepted else 1.0
    return min(stream.shards, number + math.ceil((stream.quota - accepted) / (share * stream.size)))


def _ahead(streams: Sequence[Stream], committer: Committer, workers: int) -> Iterator[Shard]:
    """The shards that will probably be committed next, as many as keep the workers busy."""
    room = AHEAD * workers if workers > 1 else 0
    for stream in streams:
        first = committer.next_shard(stream)
        if first is None:
            continue
        for number in range(first, shards_wanted(stream, committer)):
            if room == 0:
                return
            room -= 1
            yield stream.shard(number)


def _candidates(shard: Shard, executor: Executor, folder: RunFolder) -> list[Candidate]:
    """A shard's candidates: from the file where it was made ahead and is whole, or from the executor."""
    path = shard.path(folder.shards)
    if path.exists():
        with suppress(RunError):
            candidates = load_shard(path)
            if [one.sample.id for one in candidates] == [request.id for request in shard.requests()]:
                return candidates
    return executor.result(shard)
