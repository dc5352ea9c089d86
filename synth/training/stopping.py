"""A signal that ends the process, heeded by a training between two steps: then its state is whole and can be saved.

Elsewhere a signal is heeded at once. Whoever ends a process that was asked to stop waits while it is `saving`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    try:
        with _counted(stopping), _handled(stopping.hear):
            yield stopping
    finally:
        if stopping.signal is not None:
            signal.raise_signal(stopping.signal)


@contextmanager
def workers_first(workers: Callable[[], Iterable[BaseProcess]]) -> Iterator[None]:
    """Inside, a signal stops the worker processes before it does what it did before."""
    before: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        stop_workers(workers())
        for each, handler in before.items():
            signal.signal(each, handler)
        signal.raise_signal(number)

    with _handled(stop) as handlers:
        before.update(handlers)
        yield


def stop_workers(processes: Iterable[BaseProcess]) -> None:
    """Ask worker processes to end and wait until they have, SAVING_S at most: those that train save first."""
    asked, until = [process for process in processes if process.is_alive()], time.monotonic() + SAVING_S
    with _counted(asked):
        for process in asked:
            with suppress(OSError):  # it has ended since
                process.terminate()
        for process in asked:
            process.join(max(0.0, until - time.monotonic()))


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[Mapping[int, Any]]:
    """Inside, this handles all signals that are not ignored; yields what did before. Nothing outside the main thread,
    which alone hears of signals."""
    is_main = threading.current_thread() is threading.main_thread()
    heard = [number for number in SIGNALS if is_main and signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before: dict[int, Any] = {number: signal.signal(number, handler) for number in heard}
    try:
        yield before
    finally:
        for number, earlier in before.items():
            if signal.getsignal(number) is handler:  # what handled it before has not changed it since
                signal.signal(number, earlier)


@contextmanager
def _counted(what: object) -> Iterator[None]:
    _saving.append(what)
    try:
        yield
    finally:
        _saving.remove(what)
