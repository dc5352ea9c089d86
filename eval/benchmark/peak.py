"""The most memory that this process took while something was done."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_EVERY = 0.05


@dataclass
class Peak:
    """bytes: the most resident memory so far, 0 where the system does not say."""

    bytes: int = 0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Watch the resident memory of this process, twenty times a second."""
    peak, done = Peak(_resident()), threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY):
            peak.bytes = max(peak.bytes, _resident())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        peak.bytes = max(peak.bytes, _resident())


def _resident() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^VmRSS:\s+(\d+)", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
