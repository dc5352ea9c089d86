"""The files of a folder, wherever links lead: none is walked for ever, and none leaves the folder without a word."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synth.errors import SourceError
from synth.sources.leftovers import count, is_copy, leftover

DEEPEST = 32
"""Folders above a file, from the root on, at most."""


@dataclass(slots=True)
class Tree:
    """What `walk` found. leaving: links to files and folders outside of the root, none of which is in `files`;
    repeated: links to folders that are walked already; both with what they mean. skipped: folders left alone.
    leftovers: how many files of other programs there are, by what they are counted as."""

    files: list[Path] = field(default_factory=list)
    leaving: dict[Path, Path] = field(default_factory=dict)
    repeated: dict[Path, Path] = field(default_factory=dict)
    skipped: list[Path] = field(default_factory=list)
    leftovers: Counter[str] = field(default_factory=Counter)


def walk(root: Path, skip: Callable[[Sequence[str]], bool], follow_links: bool = False) -> Tree:
    """Everything below root but leftovers, exact copies named so, and folders for whose files' names `skip` is true.

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
        entries = _listed(here, tree.leftovers)
        if here != root and skip([entry.name for entry in entries if not _is_folder(entry)]):
            tree.skipped.append(here)
            continue
        for entry in entries:
            path, is_link, is_folder = here / entry.name, entry.is_symlink(), _is_folder(entry)
            if not is_link and not is_folder:
                tree.files.append(path)
                continue
            real = os.path.realpath(path) if is_link else str(Path(chain[-1], entry.name))
            if is_link and not follow_links and not Path(real).is_relative_to(home):
                tree.leaving[path] = Path(real)
            elif not is_folder:
                tree.files.append(path)
            elif real in chain or ((by_link or is_link) and real in linked):
                tree.repeated[path] = Path(real)
            else:
                if by_link or is_link:
                    linked.add(real)
                waiting.append((path, (*chain, real), by_link or is_link))
    return tree


def unlistable(problem: OSError) -> SourceError:
    """The error for a folder that the system does not list."""
    return SourceError(f"{problem.filename} cannot be listed ({problem.strerror}); change its rights")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that means itself; reading it says why
        return False


def _listed(folder: Path, leftovers: Counter[str]) -> list[os.DirEntry[str]]:
    """Its entries but leftovers, which are counted, in an order that makes a stack give them by name."""
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name, reverse=True)
    except OSError as problem:
        raise unlistable(problem) from problem
    names = {entry.name for entry in entries}
    kept = []
    for entry in entries:
        label = leftover(entry.name) or ("copies" if is_copy(folder, entry.name, names) else None)
        if label is None:
            kept.append(entry)
        else:
            leftovers[label] += count(entry, label)
    return kept
