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

from synth.errors import DiskFull, FlawsmithError, WriterError
from synth.io.reflink import reflink

_TEMPORARY = re.compile(r"^\..+\.\d+\.part$")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = re.compile(
    r"no space left|disk quota exceeded|file too large|os error (27|28|122)\b"
    r"|\d+ requested and \d+ written|unexpected pos \d+ vs \d+|PytorchStreamWriter failed writing",
    re.IGNORECASE,
)
"""What libraries say that pass no number on: the system's own words, then those of numpy and of torch."""
_NOTHING = 64 * 2**10
"""Bytes left on a disk from which a file that could not be written is one too many, whatever the error says."""


@contextmanager
def replacing(path: str | Path, size: int = 0) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` (made when missing); on success it becomes `path`, on any
    failure it is removed. size: bytes that will be written, as far as known. Raises DiskFull where there is no room,
    whatever library writes, and WriterError, with a remedy, where the system refuses (no permission)."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        make_folder(path.parent)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except FlawsmithError:
        raise
    except Exception as problem:
        full = is_full(problem) or _left(path) < _NOTHING
        if not full and not isinstance(problem, OSError):
            raise
        with suppress(OSError):
            size = max(size, temporary.stat().st_size)
            temporary.unlink()
        raise refusal(problem, path, size if full else None) from problem
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """The bytes as a file, through `replacing`."""
    with replacing(path, len(content)) as temporary:
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
        raise refusal(problem, path, len(content) if is_full(problem) else None) from problem


@contextmanager
def naming_place(place: Path) -> Iterator[None]:
    """For libraries that write a file, or into a folder, themselves: DiskFull in place of what they raise on a full
    disk."""
    try:
        yield
    except FlawsmithError:
        raise
    except Exception as problem:
        if not is_full(problem):
            raise
        raise refusal(problem, place, place.stat().st_size if place.is_file() else 0) from problem


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


def is_full(problem: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is that of a place which takes no more: Pillow, tifffile and pyarrow
    raise OSError, with a number or without, safetensors and torch errors of their own that quote the system."""
    while problem is not None:
        if isinstance(problem, OSError) and problem.errno in _FULL:
            return True
        if not isinstance(problem, FlawsmithError) and _FULL_WORDS.search(str(problem)):
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def refusal(problem: Exception, path: Path, needed: int | None) -> WriterError:
    """The error for a file or folder that cannot be written; needed: bytes that it takes, as far as known, where there
    is no room for them, else None."""
    if needed is None:
        assert isinstance(problem, OSError)
        return WriterError(f"{path} cannot be written: {explain(problem, path)}")
    return DiskFull(f"{path} cannot be written: {_full(problem, path, needed)}")


def explain(problem: Exception, path: Path) -> str:
    """What the system refused and what to do about it, in one clause each."""
    if is_full(problem):
        return _full(problem, path, 0)
    if not isinstance(problem, OSError):
        return str(problem)
    if problem.errno == errno.ENAMETOOLONG:
        return "its name is too long for this file system; choose a shorter --out"
    if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to write in {path.parent}; choose another --out or change its rights"
    if problem.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{path.parent} is not a folder; choose another --out"
    return f"{problem.strerror or problem}; check the place or choose another --out"


def _full(problem: BaseException, path: Path, needed: int) -> str:
    remedy = "free some space or choose another --out, then run the same command"
    room = f"{_size(_left(path))} left at {_place(path)}"
    wanted = f", {_size(needed)} or more needed" if needed else ""
    if isinstance(problem, OSError) and problem.errno == errno.EFBIG:
        remedy = "raise it or choose another --out, then run the same command"
        return f"the file system or ulimit -f takes no file that large ({room}{wanted}); {remedy}"
    quota = isinstance(problem, OSError) and problem.errno == errno.EDQUOT
    return f"{'your share of the disk is used up' if quota else 'the disk is full'} ({room}{wanted}); {remedy}"


def _size(count: int) -> str:
    units = [("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)]
    return next((f"{count / unit:.1f} {name}" for name, unit in units if count >= unit), f"{count} bytes")


def _left(path: Path) -> int:
    """Bytes that may still be written beside a path."""
    return shutil.disk_usage(_place(path)).free


def _place(path: Path) -> Path:
    return next(place for place in (*path.absolute().parents, Path.cwd()) if place.is_dir())
