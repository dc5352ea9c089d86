"""How much a YAML text stands for, counted on the parser's events before anything is built.

An alias stands for a whole part of the text, so that nine short lines can mean a thousand million values or nesting
without end; and PyYAML builds what is nested by recursion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import yaml


@dataclass(frozen=True, slots=True)
class Excess:
    """What a text has too much of, and its line, from 1: it is nested too deeply, stands for too many values, or has an
    alias, `name`, within the part that it stands for."""

    fault: Literal["depth", "values", "circle"]
    line: int
    name: str = ""


@dataclass(slots=True)
class _Open:
    """A collection that has not ended: its line and anchor, the values counted before it, and its levels so far."""

    line: int
    anchor: str | None
    before: int
    levels: int = 1


def first_excess(text: str, depth: int, values: int) -> Excess | None:
    """The first place where a text goes beyond `depth` levels, each value one of its own, or beyond so many `values`,
    keys and collections among them; an alias counts as all that it stands for. None within the limits. Raises what
    `yaml.parse` does."""
    extents: dict[str | None, tuple[int, int]] = {}  # anchor -> values, levels
    unclosed: list[_Open] = []
    total = 0
    events: Iterator[Any] = yaml.parse(text, yaml.SafeLoader)
    for event in events:
        line = event.start_mark.line + 1
        begins = isinstance(event, yaml.CollectionStartEvent)
        count, levels = (0 if begins else 1), 1  # a collection is counted when it ends
        if isinstance(event, yaml.CollectionEndEvent):
            ended = unclosed.pop()
            line, levels = ended.line, ended.levels
            if ended.anchor is not None:
                extents[ended.anchor] = total + 1 - ended.before, levels
        elif isinstance(event, yaml.AliasEvent):
            if any(one.anchor == event.anchor for one in unclosed):
                return Excess("circle", line, str(event.anchor))
            count, levels = extents.get(event.anchor, (1, 1))
        elif not isinstance(event, yaml.NodeEvent):
            continue
        total += count
        if total > values:
            return Excess("values", line)
        if len(unclosed) + levels > depth:
            return Excess("depth", line)
        if unclosed:
            unclosed[-1].levels = max(unclosed[-1].levels, levels + 1)
        if begins:
            unclosed.append(_Open(line, event.anchor, total))
    return None
