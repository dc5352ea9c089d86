"""The sha256 of every file of a folder, written when the folder is complete and checked before it is relied on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from synth.io.atomic import replacing

DIGESTS = "files.json"
_PIECE = 1 << 20


def write_digests(folder: Path, names: Iterable[str] | None = None) -> None:
    """List the files of `folder` in its files.json, flushed to disk; names: relative ones, None = every file in it but
    hidden ones."""
    listing = digests(folder, files_of(folder) if names is None else names)
    with replacing(folder / DIGESTS) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(listing, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def check_digests(folder: Path) -> list[str]:
    """Names of the files that differ from files.json or are missing; files.json itself where it cannot be read."""
    try:
        listing = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
        return damaged(folder, listing)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [DIGESTS]


def files_of(folder: Path) -> list[str]:
    """Relative names of all files below a folder, sorted; without files.json and without hidden files, of which
    interrupted writing may leave some."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(name.as_posix() for name in found if name.name != DIGESTS and not name.name.startswith("."))


def digests(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Name -> sha256 and size in bytes."""
    return {name: {"sha256": _sha256(folder / name), "size": (folder / name).stat().st_size} for name in names}


def damaged(folder: Path, listing: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of a listing of `digests` whose files are missing or others."""
    return [name for name, wanted in listing.items() if not _is_intact(folder / name, wanted)]


def _is_intact(path: Path, wanted: Mapping[str, Any]) -> bool:
    size, sha256 = wanted["size"], wanted["sha256"]
    try:
        return path.is_file() and path.stat().st_size == size and _sha256(path) == sha256
    except OSError:
        return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
