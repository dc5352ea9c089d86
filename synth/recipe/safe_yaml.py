"""YAML that people wrote, read within limits: however it is put, it is small plain data at once, or refused.

PyYAML alone passes on whatever its own constructors raise, and lets the places of an alias share their data.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from synth.errors import RecipeError
from synth.io.yaml_limits import first_excess

MOST_BYTES = 256_000
MOST_VALUES = 5_000
"""Keys and values, those of aliases counted each time that they stand for something."""
MOST_DEEP = 20
MOST_CHARACTERS = 2_000
"""Characters of one value: more digits than 4300 make a number that Python refuses to print."""
TEXT, MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_EXCESS = {
    "depth": f"nested more than {MOST_DEEP} deep; a recipe has three levels",
    "values": f"more than {MOST_VALUES} values, aliases written out; write only what differs from the defaults",
    "circle": "*{name} stands within what it names; write the values out",
}


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
        if excess := first_excess(text, MOST_DEEP, MOST_VALUES):
            raise BadYaml(excess.line, _EXCESS[excess.fault].format(name=excess.name))
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
    """Copies what an alias stands for, so that no two places share their data, and takes every key for text: `no`,
    `01` and `2024-05-13` are names there. For texts within the limits."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        aliased = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        node = copy.deepcopy(node) if aliased else node
        is_key = isinstance(parent, yaml.MappingNode) and index is None
        if is_key and isinstance(node, yaml.ScalarNode) and node.tag != MERGE:
            node.tag = TEXT
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


def _check(holds: bool, problem: str, node: yaml.Node) -> None:
    if not holds:
        raise _Refused(None, None, problem, node.start_mark)
