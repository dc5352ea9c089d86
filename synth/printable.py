"""Text from names and files as a terminal and a page may show it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import PurePath

_MOST_SHOWN = 120
"""Characters of a value that a message repeats."""


def printable(name: object) -> str:
    """One line in which every character that does not print stands as its escape, such as \\x1b or \\n: what steers a
    terminal, turns the direction of reading, ends the line, or cannot be encoded at all."""
    text = str(name)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def in_markdown(text: str) -> str:
    """Text in a line or a table cell of Markdown that shows as it is, whatever is in it."""
    return re.sub(r"([\\`*_\[\]<>|&~#!$])", r"\\\1", printable(text))


def shortened(text: str) -> str:
    """The text, or its beginning where it is too long for a message."""
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def shown(value: object) -> str:
    """A value as messages repeat it: as a recipe would write it, not as Python does."""
    return shortened(_as_written(value))


def _as_written(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_as_written(inside)}' for key, inside in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_as_written, value))}]"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return repr(str(value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value) if isinstance(value, str | bytes | int | float) else f"a {type(value).__name__}"
