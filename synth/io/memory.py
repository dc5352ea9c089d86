"""How much memory there is, and how much was taken. POSIX and Linux say so; elsewhere nothing is known, and nothing is
refused for it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

MOST_PIXELS = 89_478_485
"""Pixels of the largest organised cloud that is read, and of the largest image where the memory is not known."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux keeps what a container may use, by versions of its control groups."""


def machine_memory() -> int | None:
    """Bytes that this process may use at most: the machine's memory, or less in a container with a limit; None where
    the system does not say."""
    found = []
    with suppress(AttributeError, ValueError, OSError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for place in _LIMITS:
        with suppress(OSError, ValueError):
            found.append(int(Path(place).read_text(encoding="ascii")))
    return min(found, default=None)


def peak_mb() -> float | None:
    """The most memory that this process has had, in MB; None on systems without getrusage."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
