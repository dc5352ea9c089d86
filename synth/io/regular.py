"""What a path must be before a reader opens it: a regular file, not empty and of a sensible size. Opening a pipe or a
device may wait for ever, and a sparse file of a terabyte would be read to its end."""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from synth.errors import FlawsmithError, SourceError
from synth.printable import printable

MOST_BYTES = 2 * 2**30
MOST_TEXT = 64 * 2**20
"""Bytes of the largest image or cloud, and of the largest JSON or YAML file, that is read."""
_LONGEST_REASON = 200

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def regular_file(
    path: str | Path, most: int = MOST_BYTES, error: Callable[[str], FlawsmithError] = SourceError
) -> Path:
    """`path`, to be opened by a reader. Raises `error` where it is no regular file, cannot be looked at, is empty or
    holds more than `most` bytes."""
    path, name = Path(path), printable(path)
    try:
        found = path.stat()
    except PermissionError as problem:
        raise error(f"{name} cannot be looked at ({problem.strerror}); change its rights") from problem
    except (OSError, ValueError) as problem:  # ValueError: a NUL or a lone surrogate in the name
        raise error(f"{name} is not a file; check the name") from problem
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise error(f"{name} is {kind}, not a file; check the name, or remove it")
    if found.st_size == 0:
        raise error(f"{name} is empty (0 bytes); copy or export it again")
    if found.st_size > most:
        size, limit = (f"{n / 2**20:,.0f} MiB" for n in (found.st_size, most))
        raise error(f"{name} holds {size}, more than the {limit} that are read; make it smaller or remove it")
    return path


def read_text(path: str | Path, most: int = MOST_TEXT) -> str:
    """The content of a small text file in UTF-8. Raises SourceError as `regular_file` does, and for other bytes."""
    path = regular_file(path, most)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise SourceError(f"{path} cannot be read as text ({problem}); save it again as UTF-8") from problem


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Keep a library's log from the terminal, tracebacks and all: what it could not read, an error says."""
    log = logging.getLogger(logger)
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def reason(problem: BaseException) -> str:
    """What an error of a decoder says, as one line to quote in a sentence."""
    lines = str(problem).split("\n")
    said = " ".join(line.strip() for line in lines if line.strip()).rstrip(".;")
    return printable(said[:_LONGEST_REASON]) or type(problem).__name__
