"""What a reader of files inferred and nobody said, in the fields of `synth.sources.notes.Note`."""

from __future__ import annotations

from typing import NamedTuple


class Told(NamedTuple):
    """topic: what about; text: the end of a sentence "<file> ..."; field: the recipe field that decides it; a warning
    is something that is probably wrong."""

    topic: str
    text: str
    field: str | None = None
    warning: bool = False
