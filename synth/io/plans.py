"""What a folder's measurements compare, written before the first of them: another comparison needs another folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synth.errors import EvalError
from synth.io.own import check_free
from synth.io.sealed import read_sealed

PLAN = "plan.json"


def begun_plan(folder: Path, wanted: Mapping[str, Any], what: str) -> dict[str, Any] | None:
    """The plan in a folder, which agrees with what is wanted; None in a new folder. what: such as "study". WriterError
    where the folder holds files of something else, EvalError where its plan is damaged or another."""
    path = folder / PLAN
    if not path.exists():
        check_free(folder, f"a {what}'s")
        return None
    try:
        found: dict[str, Any] = read_sealed(path)
    except (OSError, ValueError) as problem:
        raise EvalError(f"{path} is damaged ({problem}): name another folder with --out") from problem
    changed = [key for key, value in wanted.items() if found.get(key) != value]
    if changed:
        raise EvalError(f"{folder} holds another {what} (its {', '.join(changed)} differ); name another with --out")
    return found
