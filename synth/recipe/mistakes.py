"""From what pydantic finds wrong in a recipe to sentences: where, what, and what was wanted."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from synth.recipe.text import MISSING, Draft, Key, dotted, schema_of, schemas


def explain(findings: Iterable[Mapping[str, Any]], draft: Draft, schema: type[BaseModel]) -> list[str]:
    """One sentence for each place that pydantic found wrong: where, what, and what was wanted."""
    problems: dict[Key, str] = {}
    for finding in findings:
        path = _path(finding["loc"], draft.data)
        if _value(draft.data, path) == MISSING:
            continue
        problem = _problem(finding, path, draft, schema)
        before = problems.get(path)
        # A value that fits none of several types has one finding for each.
        problems[path] = f"{before} or {problem.partition(', wanted ')[2]}" if before else problem
    inner = [path for path in problems if not any(other[: len(path)] == path != other for other in problems)]
    return [f"{draft.place(path)}: {dotted(path)} {problems[path]}" for path in inner]


def by_line(mistakes: Iterable[str]) -> list[str]:
    """Mistakes of the file from its top to its end, then those of the overrides."""

    def order(mistake: str) -> tuple[bool, int]:
        line = re.match(r"[^:]*:(\d+): ", mistake)
        return (line is None, int(line[1]) if line else 0)

    return sorted(mistakes, key=order)


def nearest(word: str, known: Iterable[str], above: str = "") -> str:
    """`; did you mean a.b?`, or nothing where no known word is close. above: what to put before the known word."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {above}{close[0]}?" if close else ""


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
        case "extra_forbidden":
            block = _schema_at(path[:-1], draft.data, schema)
            known = list(block.model_fields) if block else []
            above = "".join(f"{key}." for key in path[:-1])
            hint = nearest(str(path[-1]), known, above) or _elsewhere(str(path[-1]), schema)
            return f"is unknown{hint or '; known here: ' + ', '.join(known)}"
        case "missing":
            return f"is missing: give it in the recipe or with --set {dotted(path)}=..."
        case "union_tag_not_found":
            return "has no kind: say which source it is, such as kind: folder"
        case "union_tag_invalid":
            tags = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
            return f"has kind {context['tag']!r}, wanted {', '.join(tags)}{nearest(str(context['tag']), tags)}"
        case "literal_error":
            options = [option.strip("' ") for option in context["expected"].replace(" or ", ", ").split(", ")]
            return f"is {value!r}, wanted {context['expected']}{nearest(str(value), options)}"
        case "value_error":
            return f"is {value!r}: {message.removeprefix('Value error, ')}"
        case _:
            wanted = message.removeprefix("Input should be ").replace("valid tuple", "list")
            return f"is {value!r}, wanted {wanted}"


def _elsewhere(word: str, schema: type[BaseModel]) -> str:
    """Where a key that is unknown in its block would be known."""
    for name, info in schema.model_fields.items():
        if any(word in below.model_fields for below in schemas(info.annotation)):
            return f"; did you mean {name}.{word}?"
    return ""


def _value(data: Any, path: Key) -> Any:
    for key in path:
        inside = key in data if isinstance(data, dict) else isinstance(data, list) and key in range(len(data))
        data = data[key] if inside else None
    return data
