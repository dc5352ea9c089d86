"""Whether a finished run is whole: every file that it relies on has the content that was written.

digests.json lists them all, with the manifest; it is written just before the manifest and has its own sha256. What is
rebuilt on demand (the page), what other processes write (locks) and what is left of interrupted writing is not listed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import RunError
from synth.generators import Progress
from synth.io.atomic import write_whole
from synth.io.digest import file_sha256
from synth.pipeline.folder import RunFolder
from synth.pipeline.stored import damage, inside
from synth.printable import printable

_LEFT_OUT = ("report", "shards")
_NOT_LISTED = ("digests.json", "manifest.parquet")


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of a run that is not as it was written; `what` follows its path in a sentence."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{printable(self.path)} {self.what}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What `flawsmith verify` found out."""

    run: str
    files: int
    damages: tuple[Damage, ...]

    @property
    def whole(self) -> bool:
        return not self.damages

    def lines(self) -> list[str]:
        """For people."""
        if self.whole:
            return [f"{self.run} is whole: {self.files} files are as they were written"]
        lines = [str(one) for one in self.damages]
        again = f"flawsmith run {self.run}/recipe.yaml --out {self.run}"
        return [*lines, f"run the recipe again to mend what can be: {again}"]

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "whole": self.whole,
            "files": self.files,
            "damages": [{"path": one.path, "what": one.what} for one in self.damages],
        }


def write_digests(folder: RunFolder, manifest: bytes) -> None:
    """List every file of a run that is about to be finished by a manifest with this content."""
    files = {name: file_sha256(folder.path / name) for name in _listed(folder)}
    files[folder.manifest.name] = hashlib.sha256(manifest).hexdigest()
    write_whole(folder.digests, _content(files))


def damages(folder: RunFolder, progress: Progress) -> list[Damage]:
    """The files of a finished run that are missing, damaged or new in `data/`."""
    files = _read(folder)
    if files is None:
        return [Damage(folder.digests.name, "is damaged")]
    found = []
    for done, (name, sha256) in enumerate(sorted(files.items()), start=1):
        if what := damage(inside(folder.path, name), sha256):
            found.append(Damage(name, what))
        progress("verifying", done, len(files))
    added = sorted(name for name in _listed(folder) if name.startswith("data/") and name not in files)
    return found + [Damage(name, "was not written by this run") for name in added]


def verify(path: str | Path, progress: Progress) -> Verification:
    """Compare every file of a finished run with what was written. RunError for one that is not finished."""
    folder = RunFolder(Path(path))
    if not folder.manifest.exists() or not folder.digests.exists():
        raise RunError(f"{path} is not a finished run of this version; run its recipe again to finish it")
    return Verification(str(path), len(_read(folder) or {}), tuple(damages(folder, progress)))


def _read(folder: RunFolder) -> dict[str, str] | None:
    """The files that digests.json lists, with their hashes; None where it is damaged."""
    try:
        content = folder.digests.read_bytes()
        files = {str(name): str(sha256) for name, sha256 in json.loads(content)["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return files if _content(files) == content else None


def _listed(folder: RunFolder) -> Iterator[str]:
    for path in sorted(folder.path.rglob("*")):
        name = path.relative_to(folder.path)
        if name.parts[0] in _LEFT_OUT or name.suffix == ".lock" or name.name.startswith(".") or not path.is_file():
            continue
        if name.as_posix() not in _NOT_LISTED:
            yield name.as_posix()


def _content(files: dict[str, str]) -> bytes:
    sha256 = hashlib.sha256(json.dumps(files, ensure_ascii=True).encode()).hexdigest()
    return json.dumps({"files": files, "sha256": sha256}, indent=1, ensure_ascii=True).encode()
