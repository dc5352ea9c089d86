"""From a recipe's text and its overrides to plain data that remembers its lines.

A path is a tuple of keys, such as ("generator", "steps"); its place is `demo.yaml:7` or `--set generator.steps=9`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from synth.errors import RecipeError
from synth.io.names import named_place
from synth.printable import shortened, shown
from synth.recipe.safe_yaml import MERGE, MOST_DEEP, TEXT, BadYaml, parse, read_text

_OVERRIDE = "--set"
Key = tuple[str | int, ...]
MISSING = "???"
"""Stands in a recipe for a value that only the user knows."""
_MISSING_IN_BRACES = re.compile(r"(?<=: )\?\?\?(?=\s*[,}\]])")
"""Where YAML would take the first question mark for the sign of a key."""
FOLDER_OR_NAME = "base"
"""The one field that names either a folder, then anchored like a path, or something that is no file at all."""


@dataclass
class Draft:
    """A recipe before validation: its data, where each value stands, and the mistakes found so far. `unquoted`: what
    was typed where YAML reads it as no text but a yes or no, a number, a date or nothing."""

    file: Path
    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Key, str] = field(default_factory=dict)
    unquoted: dict[Key, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def place(self, path: Key) -> str:
        """Where `path` was written; for what was not written, where the nearest block around it was."""
        around = (self.places.get(path[:length]) for length in range(len(path), -1, -1))
        return next((place for place in around if place), self.file.name)


def read_draft(file: Path, overrides: Sequence[str], schema: type[BaseModel]) -> Draft:
    """The data of a recipe file with overrides laid over it; paths made absolute; `???` that is left is a mistake.

    Raises RecipeError where the file is no YAML mapping at all."""
    draft = Draft(file)
    try:
        node, data = parse(_MISSING_IN_BRACES.sub(f'"{MISSING}"', read_text(file)))
    except BadYaml as error:
        raise RecipeError(f"{file.name}:{error.line}: not valid YAML: {error.problem}") from error
    if node is not None and not isinstance(data, dict):
        raise RecipeError(f"{file.name}:1: a recipe is a mapping such as `name: demo`, this is {shown(data)}")
    draft.data = data or {}
    if node is not None:
        _mark(node, (), draft)
    complete(draft, overrides, schema)
    return draft


def complete(draft: Draft, overrides: Sequence[str], schema: type[BaseModel]) -> None:
    """Lay overrides over a draft and make its paths absolute; `???` that is left is a mistake."""
    for override in overrides:
        _override(override, draft)
    _drop_empty_blocks(draft.data, schema)
    _anchor(draft.data, schema, draft)
    _find_missing(draft)


def _mark(node: yaml.Node, path: Key, draft: Draft) -> None:
    draft.places.setdefault(path, f"{draft.file.name}:{node.start_mark.line + 1}")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _mark(item, (*path, index), draft)
    if isinstance(node, yaml.ScalarNode) and node.style is None and node.tag != TEXT:
        draft.unquoted[path] = node.value
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
            continue
        below = (*path, key.value)
        if below in draft.places:
            draft.mistakes.append(
                f"{draft.file.name}:{key.start_mark.line + 1}: {dotted(below)} is given twice, first in "
                f"{draft.places[below]}: keep one"
            )
        draft.places[below] = f"{draft.file.name}:{key.start_mark.line + 1}"
        _mark(value, below, draft)


def _override(override: str, draft: Draft) -> None:
    """Lay one `a.b=value` over the data; value is read as YAML."""
    place = f"{_OVERRIDE} {shortened(override)}"
    name, equals, text = override.partition("=")
    *above, last = name.split(".")
    if not equals or not name or len(above) > MOST_DEEP:
        draft.mistakes.append(f"{place}: wanted key=value, such as request.per_defect=10")
        return
    try:
        node, value = parse(text)
    except BadYaml as error:
        draft.mistakes.append(f"{place}: what is set is not a YAML value: {error.problem}")
        return
    block = draft.data
    for depth, key in enumerate(above, start=1):
        if key not in block:
            draft.places[tuple(above[:depth])] = place
        block[key] = {} if block.get(key) is None else block[key]
        block = block[key]
        if not isinstance(block, dict):
            draft.mistakes.append(f"{place}: {key} is no block but {shown(block)}, nothing can be set in it")
            return
    block[last] = value
    path = (*above, last)
    draft.places = {known: where for known, where in draft.places.items() if known[: len(path)] != path}
    draft.unquoted = {known: typed for known, typed in draft.unquoted.items() if known[: len(path)] != path}
    written = Draft(draft.file)
    if node is not None:
        _mark(node, path, written)
    draft.unquoted |= written.unquoted
    draft.places[path] = place


def _find_missing(draft: Draft) -> None:
    for path, value in leaves(draft.data):
        if value == MISSING:
            name = dotted(path)
            draft.mistakes.append(f"{draft.place(path)}: {name} is yours to give: add --set {name}=...")


def _drop_empty_blocks(data: dict[str, Any], schema: type[BaseModel]) -> None:
    """A block whose every line is commented out reads as None, and means its defaults."""
    for key in [k for k, v in data.items() if v is None and k in schema.model_fields]:
        if schemas(schema.model_fields[key].annotation):
            del data[key]


def _anchor(block: dict[str, Any], schema: type[BaseModel], draft: Draft, path: Key = ()) -> None:
    """Make relative paths absolute: from the current folder in overrides, from the recipe's folder elsewhere."""
    for key, value in block.items():
        info = schema.model_fields.get(str(key))
        if info is None:
            continue
        here = (*path, key)
        below = schema_of(info.annotation, value)
        if isinstance(value, dict) and below:
            _anchor(value, below, draft, here)
        elif isinstance(value, str) and value != MISSING:
            start = Path.cwd() if draft.place(here).startswith(_OVERRIDE) else draft.file.resolve().parent
            try:
                target = named_place(start / Path(value).expanduser())
                if _is_path(info.annotation) or (key == FOLDER_OR_NAME and target.is_dir()):
                    block[key] = str(target)
            except (OSError, RuntimeError) as problem:  # no such home, a name too long, links in a circle
                reason = f"is {shown(value)}, which names no place; correct it ({problem})"
                draft.mistakes.append(f"{draft.place(here)}: {dotted(here)} {reason}")


def _is_path(annotation: Any) -> bool:
    return annotation is Path or Path in get_args(annotation)


def schemas(annotation: Any) -> list[type[BaseModel]]:
    """The block schemas that a field's annotation allows; [] for a plain value."""
    options = get_args(annotation) or (annotation,)
    return [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]


def schema_of(annotation: Any, block: Any) -> type[BaseModel] | None:
    """The schema that a block's `kind` chooses among those the annotation allows; the first where it names none."""
    options = schemas(annotation)
    if len(options) < 2:
        return options[0] if options else None
    kind = block.get("kind") if isinstance(block, dict) else None
    return next((option for option in options if kind in (None, option.model_fields["kind"].default)), None)


def leaves(data: Any, path: Key = ()) -> Iterator[tuple[Key, Any]]:
    """(path, value) of every plain value in nested data."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list | tuple) else None
    if pairs is None:
        yield path, data
        return
    for key, value in pairs:
        yield from leaves(value, (*path, key))


def dotted(path: Key) -> str:
    """A path as messages and overrides write it."""
    return ".".join(str(key) for key in path) or "the recipe"
