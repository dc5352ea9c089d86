"""Whether a finished run is whole: every file that it relies on has the content that was written.

digests.json lists them all, with the manifest; it is written just before the manifest and has its own sha256. What is
rebuilt on demand (the page), what other processes write (locks) and what is left of interrupted writing is not listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import RunError
from synth.generators import Progress
from synth.io.digest import file_sha256
from synth.io.sealed import read_sealed, write_sealed
from synth.pipeline.folder import RunFolder
from synth.pipeline.manifest import read_manifest
from synth.pipeline.stored import damage, inside
from synth.printable import printable

_LEFT_OUT = ("report", "shards")
_NOT_LISTED = ("digests.json", "manifest.parquet", "decisions.log")


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of a run that is not as it was written; `what` follows its path in a sentence."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{printable(self.path)} {self.what}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What `flawsmith verify` found out; `samples`: ids of those with a damaged file."""

    run: str
    files: int
    damages: tuple[Damage, ...]
    samples: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.damages

    def lines(self) -> list[str]:
        """For people."""
        if self.whole:
            return [f"{self.run} is whole: {self.files} files are as they were written"]
        lines = [str(one) for one in self.damages]
        lines.append("run the same recipe into this folder again: what can be made again is mended")
        if self.samples:
            lines.append(f"or leave samples out: flawsmith drop {self.run} {' '.join(self.samples)}")
        return lines

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "whole": self.whole,
            "files": self.files,
            "damages": [{"path": one.path, "what": one.what} for one in self.damages],
        }


def write_digests(folder: RunFolder, manifest: bytes, left_out: Collection[str] = ()) -> None:
    """List every file, but those left out, of a run that is about to be finished by a manifest with this content."""
    files = {name: file_sha256(folder.path / name) for name in _listed(folder) if name not in left_out}
    files[folder.manifest.name] = hashlib.sha256(manifest).hexdigest()
    write_sealed(folder.digests, files)


def renew_digest(folder: RunFolder, changed: Path) -> None:
    """Note the content of a file of a finished run that was just written anew."""
    write_sealed(folder.digests, (_digests(folder) or {}) | {changed.name: file_sha256(changed)})


def damages(folder: RunFolder, progress: Progress) -> list[Damage]:
    """The files of a finished run that are missing, damaged or new in `data/`."""
    files = _digests(folder)
    if files is None:
        return [Damage(folder.digests.name, "is damaged")]
    found = [Damage(folder.decision_log.name, "has decisions that the dataset does not hold yet")]
    found = found if folder.decision_log.exists() else []
    for done, (name, sha256) in enumerate(sorted(files.items()), start=1):
        if what := damage(inside(folder.path, name), sha256):
            found.append(Damage(name, what))
        progress("verifying", done, len(files))
    added = sorted(
        name for name in _listed(folder) if name.startswith(("data/", "decisions.json")) and name not in files
    )
    return found + [Damage(name, "was not written by this run") for name in added]


def verify(path: str | Path, progress: Progress) -> Verification:
    """Compare every file of a finished run with what was written. RunError for one that is not finished."""
    folder = RunFolder(Path(path))
    if not folder.manifest.exists() or not folder.digests.exists():
        raise RunError(f"{path} is not a finished run of this version; run its recipe again to finish it")
    found = tuple(damages(folder, progress))
    return Verification(str(path), len(_digests(folder) or {}), found, _samples(folder, {one.path for one in found}))


def _samples(folder: RunFolder, damaged: Collection[str]) -> tuple[str, ...]:
    """Ids of the samples with one of these files; none where the manifest is damaged itself."""
    with suppress(RunError):
        records, _ = read_manifest(folder.manifest)
        return tuple(one.id for one in records if any(file.path in damaged for file in one.files.values()))
    return ()


def _digests(folder: RunFolder) -> dict[str, str] | None:
    """sha256 of each file of a finished run, None where that is not known any more."""
    with suppress(OSError, ValueError):
        files: dict[str, str] = read_sealed(folder.digests)
        return files
    return None


def _listed(folder: RunFolder) -> Iterator[str]:
    for path in sorted(folder.path.rglob("*")):
        name = path.relative_to(folder.path)
        if name.parts[0] in _LEFT_OUT or name.suffix == ".lock" or name.name.startswith(".") or not path.is_file():
            continue
        if name.as_posix() not in _NOT_LISTED:
            yield name.as_posix()
