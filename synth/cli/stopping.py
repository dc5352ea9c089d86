"""How the command is stopped: one clean end, soon, whatever else is sent meanwhile; a training saves first.

Signals that a system does not have are left out, and those that it was started to ignore (nohup) stay ignored.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from synth.cli.terminal import say
from synth.training.stopping import SAVING_S, SIGNALS, saving

GRACE_S = 2.0
"""After which the process ends even within a long computation."""


class Stopped(KeyboardInterrupt):
    """The signal that ends the command; `exit_code` is what a shell expects of it."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.exit_code = 128 + number


_announced = threading.Event()


@contextmanager
def heeding() -> Iterator[None]:
    """The first signal raises Stopped in the main thread; all further ones are ignored. What has not ended after
    GRACE_S is ended by a thread, which hears of the signal even while the main thread computes; it waits longer for a
    training that saves."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    heard, wake = os.pipe()
    os.set_blocking(wake, False)
    woken = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    before: dict[int, Any] = {number: signal.signal(number, stop) for number in numbers}
    threading.Thread(target=_watch, args=(heard, numbers), daemon=True).start()
    try:
        yield
    finally:
        if not stopped:  # a process that was stopped ends, and ignores signals until it has
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(woken)
            os.close(wake)


def farewell() -> None:
    """Say once that the command was stopped, and end its worker processes."""
    if not _announced.is_set():
        _announced.set()
        say("interrupted: the same command resumes where this one stopped", error=True)
    if "multiprocessing" in sys.modules:
        for child in sys.modules["multiprocessing"].active_children():
            with suppress(OSError):  # joblib's processes have no kill of their own
                os.kill(child.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _watch(heard: int, numbers: Sequence[int]) -> None:
    while signals := os.read(heard, 1):
        if signals[0] in numbers:
            time.sleep(GRACE_S)
            if saving():
                say("stopping: what is being trained is saved first", error=True)
                _wait_for_saving()
            farewell()
            os._exit(128 + signals[0])
    os.close(heard)


def _wait_for_saving() -> None:
    until = time.monotonic() + SAVING_S
    while saving() and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(GRACE_S)
