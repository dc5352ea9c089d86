"""The files of a folder, wherever links lead: none is walked for ever, and none leaves the folder without a word."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synth.errors import SourceError

DEEPEST = 32
"""Folders above a file, from the root on, at most."""


@dataclass(slots=True)
class Tree:
    """What `walk` found. leaving: links to files and folders outside of the root, none of which is in `files`;
    repeated: links to folders that are walked already; both with what they mean. skipped: folders left alone."""

    files: list[Path] = field(default_factory=list)
    leaving: dict[Path, Path] = field(default_factory=dict)
    repeated: dict[Path, Path] = field(default_factory=dict)
    skipped: list[Path] = field(default_factory=list)


def walk(root: Path, skip: Callable[[Sequence[str]], bool], follow_links: bool = False) -> Tree:
    """Everything below root but hidden files and folders, and folders below it for whose files' names `skip` is true.

    A folder is walked by its own path, and by one link at most that means it and does not lie in it. SourceError for
    folders more than DEEPEST levels below root and for those that cannot be listed."""
    tree = Tree()
    home = os.path.realpath(root)
    linked: set[str] = set()
    waiting: list[tuple[Path, tuple[str, ...], bool]] = [(root, (home,), False)]
    while waiting:
        here, chain, by_link = waiting.pop()
        if len(chain) > DEEPEST + 1:
            raise SourceError(
                f"{here} lies more than {DEEPEST} folders below {root}; move it up, or name a folder in it"
            )
        entries = _listed(here)
        if here != root and skip([entry.name for entry in entries if not _is_folder(entry)]):
            tree.skipped.append(here)
            continue
        for entry in entries:
            path, is_link = here / entry.name, entry.is_symlink()
            real = os.path.realpath(path) if is_link else str(Path(chain[-1], entry.name))
            if is_link and not follow_links and not Path(real).is_relative_to(home):
                tree.leaving[path] = Path(real)
            elif not _is_folder(entry):
                tree.files.append(path)
            elif real in chain or ((by_link or is_link) and real in linked):
                tree.repeated[path] = Path(real)
            else:
                if by_link or is_link:
                    linked.add(real)
                waiting.append((path, (*chain, real), by_link or is_link))
    return tree


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is the operating system's or a tool's own, and no data."""
    return name.startswith(".") or name in ("__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini")


def unlistable(problem: OSError) -> SourceError:
    """The error for a folder that the system does not list."""
    return SourceError(f"{problem.filename} cannot be listed ({problem.strerror}); change its rights")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that means itself; reading it says why
        return False


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """Its entries but hidden ones, in an order that makes a stack give them by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not is_hidden(e.name)), key=lambda e: e.name, reverse=True)
    except OSError as problem:
        raise unlistable(problem) from problem
