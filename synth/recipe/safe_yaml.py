"""YAML that people wrote, read within limits: however it is put, it is small plain data at once, or refused.

PyYAML alone expands aliases without end, recurses as deep as the text is nested and passes on whatever its own
constructors raise.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from synth.errors import RecipeError

MOST_BYTES = 256_000
MOST_VALUES = 5_000
"""Keys and values, those of aliases counted each time that they stand for something."""
MOST_DEEP = 20
MOST_CHARACTERS = 2_000
"""Characters of one value: more digits than 4300 make a number that Python refuses to print."""


class BadYaml(Exception):
    """Text that is not taken: the line, from 1, and what is wrong with it."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


def read_text(file: Path) -> str:
    """The text of a recipe file. RecipeError where it is too large, not UTF-8 or cannot be read."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as problem:
        raise RecipeError(f"{file} cannot be read: {problem.strerror}; check the file and its rights") from problem
    if len(content) > MOST_BYTES:
        raise RecipeError(
            f"{file} has more than {MOST_BYTES // 1000} kB, which no recipe needs; write only what differs from the "
            "defaults"
        )
    try:
        bad = content.find(b"\0")
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        bad = problem.start
    if bad >= 0:
        line = content.count(b"\n", 0, bad) + 1
        raise RecipeError(f"{file.name}:{line}: is not UTF-8 text; save the recipe as UTF-8, with an editor")
    return text


def parse(text: str) -> tuple[yaml.Node | None, Any]:
    """The one document of a YAML text: its nodes, which know their lines, and its data. BadYaml where it is not valid
    or goes beyond the limits of this module."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        # What is constructed from the nodes changes them: merge keys are filled in.
        return node, None if node is None else loader.construct_document(copy.deepcopy(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        remedy = "" if isinstance(error, _Refused) else "; put quotes around text with special characters"
        raise BadYaml(mark.line + 1 if mark else 1, f"{error.problem}{remedy}") from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        remedy = "remove it, or write it as an escape in double quotes"
        raise BadYaml(line, f"character U+{error.character:04X} does not print; {remedy}") from error


class _Refused(yaml.MarkedYAMLError):
    """What this module does not take; the problem names the remedy."""


class _Loader(yaml.SafeLoader):
    """Counts what it composes, and copies what an alias stands for, so that no two places share their data."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = 0
        self._whole: set[int] = set()

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        self._depth += 1
        _check(self._depth <= MOST_DEEP, _TOO_DEEP, event)
        node = super().compose_node(parent, index)
        values, height = 1, 1
        if isinstance(event, yaml.AliasEvent):
            _check(id(node) in self._whole, f"*{event.anchor} stands within what it names; write the values out", event)
            assert node is not None
            values, height = _extent(node)
            node = copy.deepcopy(node)
        self._whole.add(id(node))
        self._values += values
        _check(self._values <= MOST_VALUES, _TOO_MANY, event)
        _check(self._depth + height - 1 <= MOST_DEEP, _TOO_DEEP, event)
        self._depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        fits = len(node.value) <= MOST_CHARACTERS
        _check(fits, f"a value of more than {MOST_CHARACTERS} characters; shorten it", node)
        bad = next((c for c in node.value if c == "\0" or "\ud800" <= c <= "\udfff"), None)
        _check(bad is None, "a value with a character that is no text (NUL or half a surrogate pair); remove it", node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception as problem:  # the constructors of dates, numbers and tagged values raise what they please
            reason = f"{str(node.value)[:60]!r} is no {node.tag.rpartition(':')[2]}; put quotes around text"
            raise _Refused(None, None, reason, node.start_mark) from problem


_TOO_DEEP = f"nested more than {MOST_DEEP} deep; a recipe has three levels"
_TOO_MANY = f"more than {MOST_VALUES} values, aliases written out; write only what differs from the defaults"


def _check(holds: bool, problem: str, at: Any) -> None:
    if not holds:
        raise _Refused(None, None, problem, at.start_mark)


def _extent(node: yaml.Node) -> tuple[int, int]:
    """Number of nodes and of levels, the node's own included."""
    below = [part for part in node.value if not isinstance(part, str)]
    parts = [part for pair in below for part in (pair if isinstance(pair, tuple) else (pair,))]
    extents = [_extent(part) for part in parts]
    return 1 + sum(size for size, _ in extents), 1 + max((height for _, height in extents), default=0)
