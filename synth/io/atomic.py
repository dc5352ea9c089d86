"""Files that appear whole or not at all, and that a power failure does not take back.

Content is written under a temporary name and synced to the disk, then renamed, then the folder is synced: what a file's
name announces is on the disk before the name is.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from synth.errors import WriterError
from synth.io.reflink import reflink

_TEMPORARY = re.compile(r"^\..+\.\d+\.part$")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` (made when missing); on success it becomes `path`, on any
    failure it is removed. Raises WriterError, with a remedy, where the system refuses (full disk, no permission)."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        make_folder(path.parent)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as problem:
        raise WriterError(f"{path} cannot be written: {explain(problem, path)}") from problem
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """The bytes as a file, through `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def copy(source: Path, target: Path) -> None:
    """The file's content in a file of its own, which may be changed without changing the first."""
    with replacing(target) as temporary:
        if not reflink(source, temporary):
            shutil.copyfile(source, temporary)


def append(path: Path, content: bytes, end: int) -> None:
    """Write at position `end` of a file, cutting off whatever followed it, and sync. WriterError where the system
    refuses; what was written of it does not count then, since it lies beyond `end`."""
    try:
        fresh = not path.exists()
        make_folder(path.parent)
        with path.open("ab") as file:
            file.truncate(end)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            sync_folder(path.parent)
    except OSError as problem:
        raise WriterError(f"{path} cannot be written: {explain(problem, path)}") from problem


def remove(path: Path) -> None:
    """Take a file away, for good; nothing where it does not exist."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """The folder with all above it, each entered into its parent on the disk."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Names added to the folder, or taken from it, reach the disk. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Whether the file is one that `replacing` had not finished."""
    return bool(_TEMPORARY.match(path.name))


def share(path: Path) -> None:
    """Give a file the rights of any new one; what safetensors writes, its owner alone may read. Where the file system
    knows no rights, there is nothing to do."""
    other = path.with_name(f".{path.name}.rights.{os.getpid()}.part")
    with suppress(OSError):
        other.touch()
        shutil.copymode(other, path)
    with suppress(OSError):
        other.unlink(missing_ok=True)


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
