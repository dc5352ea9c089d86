"""Actors of Ray Core, on one machine or on a cluster: one an actor, each loads the model once, one shard at a time.

Joins the cluster at RAY_ADDRESS, or starts Ray on this machine. The run's folder must be one that every machine sees
under the same path. An actor that dies costs the shard it was making; another takes its place.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError

from synth.errors import RunError
from synth.pipeline.job import Job, Worker
from synth.pipeline.shards import Candidate, Shard

MOST_DEATHS = 10
_DEAD = (ActorDiedError, ActorUnavailableError)


class Actors:
    """A pool of actors. Shards that wait are handed out in the order in which they were submitted."""

    def __init__(self, job: Job, workers: int) -> None:
        self.workers = workers
        self._started = not ray.is_initialized()
        if self._started:
            ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, include_dashboard=False)
        self._needs = _share(workers)
        self._job = ray.put(job)
        self._actors: list[Any] = [self._actor() for _ in range(workers)]
        self._idle = list(range(workers))
        self._waiting: list[Shard] = []
        self._running: dict[Any, tuple[int, Shard]] = {}
        self._done: dict[Shard, list[Candidate]] = {}
        self._deaths = 0

    def __enter__(self) -> Actors:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for actor in self._actors:
            ray.kill(actor)
        if self._started:
            ray.shutdown()

    def fit(self, products: list[str]) -> Iterator[str]:
        actors = {self._actors[k % self.workers].fit.remote(one): one for k, one in enumerate(products)}
        waiting = list(actors)
        while waiting:
            done, waiting = ray.wait(waiting)
            for reference in done:
                try:
                    ray.get(reference)
                except _DEAD as problem:
                    raise RunError("an actor died while it fitted a product; run the same command again") from problem
                yield actors[reference]

    def submit(self, shard: Shard) -> None:
        if shard not in self._done and shard not in self._waiting and not self._runs(shard):
            self._waiting.append(shard)
        while self._idle and self._waiting:
            rank, shard = self._idle.pop(), self._waiting.pop(0)
            self._running[self._actors[rank].make.remote(shard)] = rank, shard

    def result(self, shard: Shard) -> list[Candidate]:
        self.submit(shard)
        while shard not in self._done:
            done, _ = ray.wait(list(self._running))
            for reference in done:
                self._finish(reference)
        return self._done.pop(shard)

    def _finish(self, reference: Any) -> None:
        rank, shard = self._running.pop(reference)
        try:
            self._done[shard] = ray.get(reference)
            self._deaths = 0
        except _DEAD as problem:
            self._deaths += 1
            if self._deaths > MOST_DEATHS:
                raise RunError(f"actors died {self._deaths} times before they had made a shard: {problem}") from problem
            self._actors[rank] = self._actor()
            self._waiting.insert(0, shard)
        self._idle.append(rank)
        if self._waiting:
            self.submit(self._waiting[0])

    def _runs(self, shard: Shard) -> bool:
        return any(shard == running for _, running in self._running.values())

    def _actor(self) -> Any:
        return ray.remote(Worker).options(**self._needs).remote(self._job)


def _share(workers: int) -> dict[str, float]:
    """What each actor asks of the cluster: a GPU where it has some, else a core. Where there are fewer than actors,
    they share them: an actor that waits for one would never start."""
    found = ray.cluster_resources()
    name = "GPU" if found.get("GPU") else "CPU"
    share = found.get(name, 1.0) / workers
    return {f"num_{name.lower()}s": 1 if share >= 1 else math.floor(100 * share) / 100}
