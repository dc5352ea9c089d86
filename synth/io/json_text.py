"""JSON from users' files: every way in which it can be wrong is one exception."""

from __future__ import annotations

import json
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
