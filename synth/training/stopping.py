"""A signal that ends the process, heeded by a training between two steps: then its state is whole and can be saved.

Elsewhere a signal is heeded at once. Whoever ends a process that was asked to stop waits while it is `saving`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What asks a process to end, of those that the system has."""
SAVING_S = 20.0
"""How long one that was asked to stop may take for a step and its checkpoint."""
_saving: list[object] = []


class Stopping:
    """signal: the first that came, or None."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Remember the first signal."""
        self.signal = self.signal or number


def saving() -> bool:
    """Whether a training of this process, or one of its workers, saves before it stops."""
    return bool(_saving)


@contextmanager
def between_steps() -> Iterator[Stopping]:
    """Inside, a signal is only remembered; at the end it is sent again, so that it does what it did before. Signals
    that are ignored stay ignored, and a thread other than the main one hears of none."""
    stopping = Stopping()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    heard = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before: dict[int, Any] = {number: signal.signal(number, stopping.hear) for number in heard}
    try:
        with _counted(stopping):
            yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if stopping.signal is not None:
            signal.raise_signal(stopping.signal)


def stop_workers(processes: Iterable[BaseProcess]) -> None:
    """Ask worker processes to end and wait until they have, SAVING_S at most: those that train save first."""
    asked, until = list(processes), time.monotonic() + SAVING_S
    with _counted(asked):
        for process in asked:
            with suppress(OSError):
                os.kill(process.pid or 0, signal.SIGTERM)
        for process in asked:
            process.join(max(0.0, until - time.monotonic()))


@contextmanager
def _counted(what: object) -> Iterator[None]:
    _saving.append(what)
    try:
        yield
    finally:
        _saving.remove(what)
