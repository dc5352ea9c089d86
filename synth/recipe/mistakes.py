"""From what pydantic finds wrong in a recipe to sentences: where, what, and what was wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, get_args

from pydantic import BaseModel

from synth.printable import shown
from synth.recipe.text import MISSING, Draft, Key, dotted, leaves, schema_of, schemas
from synth.suggest import closest

_BLOCKS = {"dict_type", "mapping_type", "model_type", "model_attributes_type"}
_TEXTS = {"string_type", "path_type"}
_TOO_SHORT = {"too_short": "entry", "string_too_short": "character"}


def explain(findings: Iterable[Mapping[str, Any]], draft: Draft, schema: type[BaseModel]) -> list[str]:
    """One sentence for each place that pydantic found wrong, or should have: where, what, and what was wanted."""
    yes = dict(_yes_for_number(draft, schema))
    problems = dict(yes)
    for finding in findings:
        path = _path(finding["loc"], draft.data, finding["type"] == "missing")
        if _value(draft.data, path) == MISSING:
            continue
        problem = _problem(finding, path, draft, schema)
        if path in yes:  # a field that looks for them itself says more
            problem = problem if finding["type"] == "value_error" else yes[path]
        elif path in problems:  # a value that fits none of several types has one finding for each
            problem = _either(problems[path], problem)
        problems[path] = problem
    above = {path[:length] for path in problems for length in range(len(path))}
    return [f"{draft.place(path)}: {dotted(path)} {problem}" for path, problem in problems.items() if path not in above]


def _either(one: str, other: str) -> str:
    """Two problems of one value as one: the second adds what else was wanted."""
    problem, mark, hint = one.partition("; did you mean")
    return f"{problem} or {other.partition(', wanted ')[2]}{mark}{hint}"


def _yes_for_number(draft: Draft, schema: type[BaseModel]) -> Iterator[tuple[Key, str]]:
    """(path, problem) of every yes or no where a number is wanted; pydantic takes them for 1 and 0."""
    for path, value in leaves(draft.data):
        named = tuple(key for key in path if isinstance(key, str))
        block = _schema_at(named[:-1], draft.data, schema) if named and isinstance(value, bool) else None
        info = block.model_fields.get(str(named[-1])) if block else None
        kinds = set() if info is None else _kinds(info.annotation)
        if kinds & {int, float} and bool not in kinds:
            yield path, f"is {_said(value, path, draft)}, wanted a number"


def _kinds(annotation: Any) -> set[Any]:
    """The types within an annotation, those within its unions and lists among them."""
    return {annotation}.union(*map(_kinds, get_args(annotation)))


def by_line(mistakes: Iterable[str]) -> list[str]:
    """Mistakes of the file from its top to its end, then those of the overrides."""

    def order(mistake: str) -> tuple[bool, int]:
        line = re.match(r"[^:]*:(\d+): ", mistake)
        return (line is None, int(line[1]) if line else 0)

    return sorted(mistakes, key=order)


def _schema_at(path: Key, data: Any, schema: type[BaseModel]) -> type[BaseModel] | None:
    found: type[BaseModel] | None = schema
    for key in path:
        info = found.model_fields.get(str(key)) if found else None
        data = data.get(key) if isinstance(data, dict) else None
        found = schema_of(info.annotation, data) if info else None
    return found


def _path(loc: Sequence[str | int], data: Any, missing: bool) -> Key:
    """Pydantic's location without what it puts between: union tags and the names of types that were tried. missing: the
    last key is not there."""
    path: list[str | int] = []
    for place, key in enumerate(loc, start=1):
        if isinstance(data, dict) and (key in data or (missing and place == len(loc))):
            path.append(key)
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int):
            path.append(key)
            data = data[key] if key < len(data) else None
    return tuple(path)


def _problem(finding: Mapping[str, Any], path: Key, draft: Draft, schema: type[BaseModel]) -> str:
    value, context, message = finding["input"], finding.get("ctx", {}), str(finding["msg"])
    said = _said(value, path, draft)
    match finding["type"]:
        case "extra_forbidden" | "invalid_key":
            block = _schema_at(path[:-1], draft.data, schema)
            known = list(block.model_fields) if block else []
            return f"is unknown; {_known_key(path, known, schema)}"
        case "missing":
            return f"is missing: give it in the recipe or with --set {dotted(path)}=..."
        case "union_tag_not_found":
            return "has no kind: say which source it is, such as kind: folder"
        case "union_tag_invalid":
            tags = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
            kind = draft.unquoted.get((*path, "kind"), shown(context["tag"]))
            return f"has kind {kind}, wanted {', '.join(tags)}{_perhaps(str(context['tag']), tags)}"
        case "literal_error":
            options = [option.strip("' ") for option in context["expected"].replace(" or ", ", ").split(", ")]
            return f"is {said}, wanted {context['expected']}{_perhaps(str(value), options)}"
        case "value_error" if isinstance(value, Mapping):
            return f"is wrong: {message.removeprefix('Value error, ')}"
        case "value_error":
            return f"is {said}: {message.removeprefix('Value error, ')}"
        case kind if kind in _TEXTS and isinstance(value, bool | int | float | date | None):
            return f'is {said}, which YAML takes for {_taken_for(value)}, wanted text: put it in quotes: "{said}"'
        case kind if kind in _TEXTS:
            return f"is {said}, wanted text"
        case kind if kind in _BLOCKS:
            return f"is {said}, wanted a block such as {{key: value}}"
        case "tuple_type":
            example = f' such as ["{said}"]' if isinstance(value, bool | date) else ""
            return f"is {said}, wanted a list{example}"
        case kind if kind in _TOO_SHORT:
            return f"is {said}, wanted at least {context['min_length']} {_TOO_SHORT[kind]}"
        case _:
            return f"is {said}, wanted {message.removeprefix('Input should be ')}"


def _said(value: Any, path: Key, draft: Draft) -> str:
    """A value as it was typed, as far as that is known."""
    return shown(value) if isinstance(value, dict | list) else draft.unquoted.get(path, shown(value))


def _taken_for(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes or no"
    return "a date" if isinstance(value, date) else "a number"


def _perhaps(word: str, known: Iterable[str]) -> str:
    near = closest(word, known)
    return f"; did you mean {near}?" if near else ""


def _known_key(path: Key, known: Sequence[str], schema: type[BaseModel]) -> str:
    """What an unknown key may have meant: one of its block, or the same word in another block."""
    word, above = str(path[-1]), "".join(f"{key}." for key in path[:-1])
    if near := closest(word, known):
        return f"did you mean {above}{near}?"
    for name, info in schema.model_fields.items():
        if any(word in below.model_fields for below in schemas(info.annotation)):
            return f"did you mean {name}.{word}?"
    return f"known here: {', '.join(known)}"


def _value(data: Any, path: Key) -> Any:
    for key in path:
        inside = key in data if isinstance(data, dict) else isinstance(data, list) and key in range(len(data))
        data = data[key] if inside else None
    return data
