"""Worker processes on this machine; each loads the model once. A process that dies costs what it was making."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import current_process, get_context, parent_process
from types import TracebackType
from typing import Any

from synth.errors import RunError
from synth.pipeline.job import Job, Worker
from synth.pipeline.shards import Candidate, Shard
from synth.training.stopping import stop_workers

MOST_DEATHS = 3
"""Pools that may break one after the other before a single shard is done."""

_worker: Worker | None = None


class Processes:
    """A pool of processes, which are started anew where one of them was killed."""

    def __init__(self, job: Job, workers: int) -> None:
        if getattr(current_process(), "_inheriting", False):
            raise RunError(
                "workers load the script that starts them, and this one starts a run when it is loaded; put the call "
                'below: if __name__ == "__main__":'
            )
        self.workers = workers
        self._job = job
        self._pool = self._start()
        self._pending: dict[Shard, Future[list[Candidate]]] = {}
        self._deaths = 0

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def fit(self, products: list[str]) -> Iterator[str]:
        try:
            futures = {self._pool.submit(_fit, product): product for product in products}
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BrokenProcessPool as problem:
            raise RunError("a worker was killed while it fitted a product; run the same command again") from problem

    def submit(self, shard: Shard) -> None:
        if shard in self._pending:
            return
        try:
            self._pending[shard] = self._pool.submit(_make, shard)
        except BrokenProcessPool:
            self._restart()
            self._pending[shard] = self._pool.submit(_make, shard)

    def result(self, shard: Shard) -> list[Candidate]:
        while True:
            self.submit(shard)
            try:
                candidates = self._pending.pop(shard).result()
            except BrokenProcessPool:
                self._restart()
                continue
            self._deaths = 0
            return candidates

    def _restart(self) -> None:
        self._deaths += 1
        if self._deaths > MOST_DEATHS:
            raise RunError(
                f"workers were killed {self._deaths} times before they had made a shard; is the memory too small for "
                f"{self.workers} of them? Run the same command again with fewer --workers"
            )
        self._stop()
        self._pool = self._start()
        # Oldest first, as they were asked for.
        self._pending = {shard: self._pool.submit(_make, shard) for shard in self._pending}

    def _start(self) -> ProcessPoolExecutor:
        context = get_context("spawn")
        ranks = context.Value("i", 0)
        return ProcessPoolExecutor(self.workers, context, _open, (self._job, ranks))

    def _stop(self) -> None:
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        stop_workers(processes)
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _open(job: Job, ranks: Any) -> None:
    """What a worker process does first. Interrupts are its parent's business; without a parent it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with ranks.get_lock():
        rank, ranks.value = ranks.value, ranks.value + 1
    _take_device(rank)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    global _worker
    _worker = Worker(job)


def _take_device(rank: int) -> None:
    """One worker a GPU, where there are several. Before torch looks for them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = visible.split(",") if visible else []
    if not devices:
        import torch

        devices = [str(number) for number in range(torch.cuda.device_count())]
    if len(devices) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[rank % len(devices)]


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _fit(product: str) -> None:
    assert _worker is not None
    _worker.fit(product)


def _make(shard: Shard) -> list[Candidate]:
    assert _worker is not None
    return _worker.make(shard)
