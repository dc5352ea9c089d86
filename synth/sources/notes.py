"""What a reader inferred and nobody said: told by `inspect`, by a run and by a dry run, with the recipe field that
decides it instead.

A reader hands out a `Note` for each file, in `Entry.notes` (from names and folders) or in `sample.meta["notes"]` (from
content); `Notes` puts equal ones together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

NAMED = 3
"""Files that a line names."""


class Note(NamedTuple):
    """One thing inferred about one file. topic: what about, such as "white level"; text: what was taken for true, as
    the end of a sentence "<files> ...", such as "is read with 4095 as white, as its brightest pixel suggests"; field:
    the recipe field that decides it, if one does. A warning is something that is probably wrong."""

    topic: str
    text: str
    field: str | None = None
    warning: bool = False


@dataclass(slots=True)
class Notes:
    """The notes on all files of a source, equal ones of a product together, in the order of their first file."""

    files: dict[tuple[str, Note], list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, product: str, file: str, note: Note) -> None:
        """One note on one file of a product."""
        self.files[product, note].append(file)

    def groups(self, warning: bool) -> Iterator[tuple[str, Note, list[str]]]:
        """(product, note, files) of every group that is a warning, or of every one that is none."""
        for (product, note), files in self.files.items():
            if note.warning == warning:
                yield product, note, files

    @property
    def lines(self) -> list[str]:
        """Everything that is no warning, a sentence a group."""
        return [f"{product}: {_named(files)} {_told(note)}" for product, note, files in self.groups(warning=False)]


def _told(note: Note) -> str:
    return f"{note.text} (decided by {note.field})" if note.field else note.text


def _named(files: list[str]) -> str:
    if len(files) == 1:
        return files[0]
    return f"each of {', '.join(files) if len(files) <= NAMED else f'{len(files)} files such as {files[0]}'}"
