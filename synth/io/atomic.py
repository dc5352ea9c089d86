"""Files that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from synth.errors import WriterError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` (made when missing); on success it becomes `path`, on any
    failure it is removed. Raises WriterError, with a remedy, where the system refuses (full disk, no permission)."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as problem:
        raise WriterError(f"{path} cannot be written: {explain(problem, path)}") from problem
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def share(path: Path) -> None:
    """Give a file the rights of any new one; what safetensors writes, its owner alone may read."""
    other = path.with_name(f".{path.name}.{os.getpid()}.rights")
    other.touch()
    shutil.copymode(other, path)
    other.unlink()


def explain(problem: OSError, path: Path) -> str:
    """What the system refused and what to do about it, in one clause each."""
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{_free(path)}; free some space or choose another --out, then run the same command"
    if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to write in {path.parent}; choose another --out or change its rights"
    if problem.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{path.parent} is not a folder; choose another --out"
    return f"{problem.strerror or problem}; check the place or choose another --out"


def _free(path: Path) -> str:
    place = next((p for p in path.parents if p.is_dir()), None)
    return "" if place is None else f" ({shutil.disk_usage(place).free / 2**20:.0f} MiB left at {place})"
