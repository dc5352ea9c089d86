"""YAML from users' files, with plain values alone and within limits.

An alias stands for a whole part of the text, so that nine short lines can mean a thousand million values, and deep
nesting ends in a RecursionError: both are counted on the parser's events, before anything is built.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from synth.io.regular import reason

MOST_CHARACTERS = 2**17
MOST_DEPTH = 32
MOST_VALUES = 100_000
"""Values of a text at most, each alias counted as all that it stands for."""


class YamlTextError(ValueError):
    """Text that is no usable YAML: where, and what is wrong."""


def load_yaml(text: str, where: str | Path) -> Any:
    """What a YAML text holds: plain values, as of `yaml.safe_load`. Raises YamlTextError, which begins with `where` and
    the line, for a wrong syntax, tags that mean no plain value, and texts beyond the limits above."""
    if len(text) > MOST_CHARACTERS:
        raise YamlTextError(f"{where}: holds {len(text):,} characters, at most {MOST_CHARACTERS:,} are read")
    try:
        _check_size(text, where)
        return yaml.safe_load(text)
    except YamlTextError:
        raise
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        place = where if mark is None else f"{where}:{mark.line + 1}"
        raise YamlTextError(f"{place}: not valid YAML: {problem.problem or problem.context}") from problem
    except Exception as problem:  # a tag with a wrong value, as !!int x, fails in as many ways as there are tags
        raise YamlTextError(f"{where}: not valid YAML: {reason(problem)}") from problem


def _check_size(text: str, where: str | Path) -> None:
    """YamlTextError where the text is nested too deeply or stands for too many values."""
    sizes: dict[str | None, int] = {}
    unclosed: list[tuple[str | None, int]] = [(None, 0)]
    """(anchor, values so far) of the document and of each collection in it that has not ended."""
    for event in yaml.parse(text, yaml.SafeLoader):
        place = where if event.start_mark is None else f"{where}:{event.start_mark.line + 1}"
        if isinstance(event, yaml.CollectionStartEvent):
            unclosed.append((event.anchor, 1))
            if len(unclosed) > MOST_DEPTH:
                raise YamlTextError(f"{place}: is nested more than {MOST_DEPTH} deep")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = unclosed.pop()
            sizes[anchor] = size
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in {anchor for anchor, _ in unclosed}:
                raise YamlTextError(f"{place}: *{event.anchor} lies in the part that it stands for")
            size = sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
        else:
            continue
        outer, so_far = unclosed[-1]
        unclosed[-1] = outer, so_far + size
        if so_far + size > MOST_VALUES:
            raise YamlTextError(f"{place}: stands for more than {MOST_VALUES:,} values, its aliases written out")
