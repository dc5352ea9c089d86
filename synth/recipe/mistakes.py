"""From what pydantic finds wrong in a recipe to sentences: where, what, and what was wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from synth.recipe.text import MISSING, Draft, Key, dotted, schema_of, schemas, shown
from synth.suggest import closest


def explain(findings: Iterable[Mapping[str, Any]], draft: Draft, schema: type[BaseModel]) -> list[str]:
    """One sentence for each place that pydantic found wrong: where, what, and what was wanted."""
    problems: dict[Key, str] = {}
    for finding in findings:
        path = _path(finding["loc"], draft.data)
        if _value(draft.data, path) == MISSING:
            continue
        problem = _problem(finding, path, draft, schema)
        # A value that fits none of several types has one finding for each.
        problems[path] = _either(problems[path], problem) if path in problems else problem
    above = {path[:length] for path in problems for length in range(len(path))}
    return [f"{draft.place(path)}: {dotted(path)} {problem}" for path, problem in problems.items() if path not in above]


def _either(one: str, other: str) -> str:
    """Two problems of one value as one: the second adds what else was wanted."""
    problem, mark, hint = one.partition("; did you mean")
    return f"{problem} or {other.partition(', wanted ')[2]}{mark}{hint}"


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


def _path(loc: Sequence[str | int], data: Any) -> Key:
    """Pydantic's location without what it puts between: union tags and the names of types that were tried."""
    path: list[str | int] = []
    for key in loc:
        if isinstance(data, dict) and not (key == data.get("kind") and key not in data):
            path.append(key)
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int):
            path.append(key)
            data = data[key] if key < len(data) else None
    return tuple(path)


def _problem(finding: Mapping[str, Any], path: Key, draft: Draft, schema: type[BaseModel]) -> str:
    value, context, message = finding["input"], finding.get("ctx", {}), str(finding["msg"])
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
            return f"has kind {shown(context['tag'])}, wanted {', '.join(tags)}{_perhaps(str(context['tag']), tags)}"
        case "literal_error":
            options = [option.strip("' ") for option in context["expected"].replace(" or ", ", ").split(", ")]
            return f"is {shown(value)}, wanted {context['expected']}{_perhaps(str(value), options)}"
        case "value_error":
            return f"is {shown(value)}: {message.removeprefix('Value error, ')}"
        case _:
            wanted = message.removeprefix("Input should be ").replace("valid tuple", "list")
            return f"is {shown(value)}, wanted {wanted}"


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
