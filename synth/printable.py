"""Text from names and files as a terminal and a page may show it."""

from __future__ import annotations


def printable(name: object) -> str:
    """One line in which every character that does not print stands as its escape, such as \\x1b or \\n: what steers a
    terminal, turns the direction of reading, ends the line, or cannot be encoded at all."""
    text = str(name)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
