"""The parts of a card that flawsmith writes, and how they meet what a person wrote beside and inside them.

Each part stands between marks, the first of which has a hash of its text:

    <!-- flawsmith: load 1f0c2d3e -->
    ...
    <!-- /flawsmith: load -->

A card that is there stays as it is but for these parts: one that is as it was written is renewed in its place; one that
a person changed is kept and told; one that a person took out stays out. A card without any mark is kept whole, with the
parts after it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_SECTION = re.compile(
    r"<!-- flawsmith: (?P<name>[a-z_]+) (?P<hash>[0-9a-f]{8}) -->\n(?P<text>.*?)\n?<!-- /flawsmith: (?P=name) -->",
    re.DOTALL,
)


@dataclass(frozen=True)
class Merged:
    """A card's body, and the names of the parts that a person changed."""

    body: str
    edited: tuple[str, ...]


def marked(name: str, text: str) -> str:
    """A part between its marks."""
    text = text.strip("\n")
    return f"<!-- flawsmith: {name} {_hash(text)} -->\n{text}\n<!-- /flawsmith: {name} -->"


def merged(sections: dict[str, str], there: str | None) -> Merged:
    """The body of these parts, by name, put into the one that is there."""
    ours = "\n\n".join(marked(name, text) for name, text in sections.items()) + "\n"
    if there is None or not there.strip():
        return Merged(ours, ())
    there = there.replace("\r\n", "\n")
    if not _SECTION.search(there):
        return Merged(f"{there.strip()}\n\n{ours}", ())
    edited: list[str] = []

    def renewed(found: re.Match[str]) -> str:
        name, text = found["name"], found["text"].strip("\n")
        if text and _hash(text) != found["hash"]:
            edited.append(name)
            return found[0]
        return marked(name, sections[name]) if name in sections else found[0]

    return Merged(_SECTION.sub(renewed, there).strip("\n") + "\n", tuple(edited))


def _hash(text: str) -> str:
    """Of a text, whatever blanks its lines end in."""
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return hashlib.sha256(lines.encode()).hexdigest()[:8]
