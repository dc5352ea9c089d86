"""Progress where there is no terminal: lines with times, few enough for the log of a long run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from synth.progress import WHOLE

LEAST_S = 3.0
"""Seconds between two lines, those of messages and of ends aside."""
MOST_S = 60.0
"""A stage that moves is told of after these, however small the step."""


class Lines:
    """A `synth.progress.Progress` that tells of a stage's beginning, each tenth of it and its end, as in "12:03:05
    drawing tile/crack: 10 of 30"; of a quick stage only where no other follows it. Its thread tells what had to wait;
    `end` stops it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._began = tell, time.monotonic()
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._place: tuple[str, int] = ("", -1)
        self._waiting: tuple[str, str] | None = None
        self._told, self._announced, self._whole = float("-inf"), "", ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total`; a total of 0 is an unknown one. A stage that begins complete, 1 of 1, is a message."""
        with self._lock:
            if stage == WHOLE:
                self._whole = f"[{done} of {total}] " if done < total else ""
                return
            before, is_complete = self._place, bool(total) and done >= total
            self._place = (stage, 10 * done // total if total else 0)
            is_message = before[0] != stage and done == total == 1
            if self._place == before and (is_complete or time.monotonic() - self._told < MOST_S):
                return
            if is_message:
                self._flush()
            self._waiting = (stage, self._whole + (stage if is_message else _line(stage, done, total)))
            ends = is_message or (is_complete and stage == self._announced)
            # Of an unknown total only what takes its time is told, by the thread.
            if ends or (total and time.monotonic() - self._told >= LEAST_S):
                self._flush()
            if self._watching.ident is None:
                self._watching.start()

    def end(self, failed: bool = False) -> None:
        """Tell what still waits, unless the work has failed."""
        self._ended.set()
        with self._lock:
            if failed:
                self._waiting = None
            self._flush()

    def _watch(self) -> None:
        while not self._ended.wait(LEAST_S / 3):
            with self._lock:
                if time.monotonic() - max(self._told, self._began) >= LEAST_S:
                    self._flush()

    def _flush(self) -> None:
        """Tell what waits."""
        if self._waiting is not None:
            self._announced, text = self._waiting
            self._told, self._waiting = time.monotonic(), None
            self._tell(f"{time.strftime('%H:%M:%S')} {text}")


def _line(stage: str, done: int, total: int) -> str:
    if total == 1:
        return f"{stage}: done" if done else stage
    if total == 0:
        return f"{stage}: {done}" if done else stage
    return f"{stage}: {done} of {total}"
