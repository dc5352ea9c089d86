"""A split file fixes by name which images may be learnt from and which are for choosing or measuring only:

    {"shots": {"crack": ["a.jpg", ...], "good": [...]}, "test": {"crack": ["b.jpg", ...], "good": [...]},
     "validation": {"crack": ["c.jpg", ...]}}

Names are file names, or paths below the folder where a name alone is not unique. What is listed nowhere is left out.
`validation` may be left away: some of the shots are then kept for it (`synth.split`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from synth.errors import SourceError
from synth.io.json_text import JsonTextError, load_json
from synth.io.names import composed
from synth.io.regular import read_text
from synth.printable import printable
from synth.sources.listing import Entry, Problem

ROLES = {"shots": "train", "validation": "validation", "test": "test"}
WANTED = 'wanted {"shots": {"<type>": ["<file>", ...], "good": [...]}, "test": {...}}'


def read_split_file(path: Path) -> dict[tuple[str, str, str], None]:
    """(split, type, name) of every image listed, in the file's order; a dict for its order and its uniqueness."""
    if not path.exists():
        raise SourceError(
            f"{printable(path)} does not exist; name a JSON file below source.root in source.split, or leave it away"
        )
    try:
        content = load_json(read_text(path))
    except JsonTextError as problem:
        place = path if problem.line is None else f"{path}:{problem.line}"
        raise SourceError(f"{place}: not valid JSON: {problem}; {WANTED}") from problem
    if not isinstance(content, dict) or "shots" not in content:
        raise SourceError(f"{path} has no key 'shots'; {WANTED}")
    listed: dict[tuple[str, str, str], None] = {}
    for role, split in ROLES.items():
        types = content.get(role, {})
        if not isinstance(types, dict):
            raise SourceError(f"{path}: {role} is no mapping of types to files; {WANTED}")
        for name, files in types.items():
            if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
                raise SourceError(f"{path}: {role}.{printable(name)} is not a list of file names; {WANTED}")
            for text in (name, *files):
                if printable(text) != text:
                    raise SourceError(f"{path}: {printable(text)} is no name that a file can have; correct it")
            listed |= dict.fromkeys((split, composed(name), composed(file)) for file in files)
    return listed


def apply_split(path: Path, root: Path, entries: Sequence[Entry]) -> tuple[list[Entry], list[Problem]]:
    """The entries that the file lists, with the split it gives them; and what it lists in vain or twice."""
    listed = read_split_file(path)
    by_name: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    types_of: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        kind = entry.defect or "good"
        for name in {composed(entry.file.name), composed(entry.file.relative_to(root).as_posix())}:
            by_name[composed(kind), name].append(entry)
            types_of[name].add(kind)
    chosen: dict[Entry, str] = {}
    problems = []
    for split, kind, name in listed:
        found = by_name.get((composed(kind), composed(name)), [])
        if len(found) > 1:  # two forms of one name, beside each other
            found = [entry for entry in found if name in (entry.file.name, entry.file.relative_to(root).as_posix())]
        if len(found) != 1:
            problems.append(Problem(str(path), *_not_one(root, kind, name, found, types_of)))
        elif chosen.setdefault(found[0], split) != split:
            roles = [role for role, given in ROLES.items() if given in (chosen[found[0]], split)]
            what = f"{kind}/{name} is listed in {roles[0]} and in {roles[1]}"
            problems.append(Problem(str(path), what, "keep it in one of them, or the test proves nothing"))
    return [replace(entry, split=chosen[entry], listed=True) for entry in entries if entry in chosen], problems


def _not_one(root: Path, kind: str, name: str, found: list[Entry], types_of: dict[str, set[str]]) -> tuple[str, str]:
    """What is wrong with a listed name that does not mean exactly one image, and the remedy."""
    if found:
        return f"{kind}: {name} is the name of {len(found)} images", f"write its path below {root}"
    if elsewhere := sorted(types_of.get(composed(name), ())):
        return f"lists {name} as {kind}, but it lies in {elsewhere[0]}", "list it there, or move the image"
    return f"lists {kind}: {name}, which is not in {root}", "correct the name or add the image and its mask"
