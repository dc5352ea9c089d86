"""JSON from users' files: every way in which it can be wrong is one exception. And JSON that every reader takes."""

from __future__ import annotations

import json
import math
from typing import Any


class JsonTextError(ValueError):
    """Text that is no usable JSON; `line` counts from 1, None where the fault has no place."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what)
        self.line = line


def load_json(text: str) -> Any:
    """What a JSON text holds. JsonTextError for wrong syntax, deep nesting and numbers of thousands of digits."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        raise JsonTextError(problem.msg, problem.lineno) from problem
    except RecursionError as problem:
        raise JsonTextError("it is nested too deeply") from problem
    except ValueError as problem:
        raise JsonTextError(str(problem)) from problem


def json_text(content: Any, **options: Any) -> str:
    """`json.dumps` of it, with null for each number that is not finite, which JSON does not know."""
    try:
        return json.dumps(content, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_finite(content), allow_nan=False, **options)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
