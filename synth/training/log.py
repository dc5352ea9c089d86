"""The log of a training: one JSON line a step, without the lines of steps that an interruption undid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from synth.io.atomic import replacing
from synth.io.json_text import json_text


class Log:
    """A file of JSON lines that grows while a training runs. Its text is part of a checkpoint's notes, so that a
    resumed training ends with the file that an uninterrupted one writes; a training begins with `restore`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = ""

    @property
    def text(self) -> str:
        return self._text

    def write(self, row: Mapping[str, object]) -> None:
        line = json_text(row) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
        self._text += line

    def restore(self, text: str) -> None:
        """Make the file hold just this text, whatever an interrupted training left in it."""
        with replacing(self.path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        self._text = text
